export * from './backoff.ts';
export * from './clock.ts';
export * from './duration.ts';
export * from './errors.ts';
export * from './log.ts';
export * from './loop.ts';
export * from './random.ts';
export * from './version.ts';
