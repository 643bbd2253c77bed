export * from './job-queue.ts';
export * from './service.ts';
export * from './states.ts';
export * from './target.ts';
export * from './unit.ts';
export * from './unit-graph.ts';
export * from './unit-host.ts';
export * from './unit-memory.ts';
