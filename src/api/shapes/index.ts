/**
 * The calls of the HTTP API (prefix /fleet/v1, also /v1-alpha) and the shapes of what they carry. Clients import types
 * alone, which costs them nothing: no zod at run time.
 */
export * from './call.ts';
export * from './certificate.ts';
export * from './event.ts';
export * from './fleetd.ts';
export * from './kinds.ts';
export * from './machine.ts';
export * from './parameters.ts';
export * from './router.ts';
export * from './service.ts';
export * from './summary.ts';
export * from './table.ts';
export * from './unit.ts';
export * from './unit-calls.ts';
export * from './unit-output.ts';
export * from './unit-state.ts';
export * from './why.ts';
