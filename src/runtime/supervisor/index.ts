export * from './open-supervisor.ts';
export * from './power-off.ts';
export * from './run-supervisor.ts';
