export * from './accounts.ts';
export * from './cgroup.ts';
export * from './executables.ts';
export * from './fifos.ts';
export * from './launch.ts';
export * from './process-group.ts';
export * from './procfs.ts';
export * from './tracking.ts';
