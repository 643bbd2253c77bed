export * from './delay-shutdown.ts';
export * from './open-systemd.ts';
