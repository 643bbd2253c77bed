export * from './unit-file.ts';
