export * from './certificate.ts';
export * from './data-plane.ts';
export * from './open-router.ts';
export { isRouted, killRouter } from './predecessor.ts';
export type { ToRouter } from './protocol.ts';
export * from './render-nginx.ts';
export * from './route-table.ts';
export * from './run-router.ts';
