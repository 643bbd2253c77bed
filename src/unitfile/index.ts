export * from './check.ts';
export * from './needs.ts';
export * from './parse.ts';
export * from './serialize.ts';
export * from './unit-file.ts';
export * from './unit-name.ts';
export * from './values.ts';
