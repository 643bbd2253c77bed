export * from './open-systemd.ts';
