export * from './start-embedded-store.ts';
