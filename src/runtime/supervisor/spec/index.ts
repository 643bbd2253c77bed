export * from './environment.ts';
export * from './environment-file.ts';
export * from './exec-command.ts';
export * from './exit-status.ts';
export * from './read-unit.ts';
export * from './specifiers.ts';
export * from './unit-spec.ts';
export * from './values.ts';
