import { z } from 'zod';

/**
 * The shapes that commands print with `-o json`: the source of docs/reference/json-schema.json, which tests compare
 * with real output.
 */

const state = z.enum(['inactive', 'loaded', 'launched']);
const machine = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  hostname: z.string().optional(),
  address: z.string().optional(),
});
const ofMachine = { machineID: z.string(), machine: machine.optional() };
const states = { load: z.string(), active: z.string(), sub: z.string() };
const exit = z.strictObject({
  result: z.string(),
  status: z.int().optional(),
  signal: z.int().optional(),
});

const machines = z.array(
  z.strictObject({
    ...machine.shape,
    primaryIP: z.string(),
    metadata: z.record(z.string(), z.string()),
    version: z.string().optional(),
  }),
);

const units = z.array(
  z.strictObject({
    name: z.string(),
    hash: z.string(),
    ...ofMachine,
    systemdLoadState: z.string(),
    systemdActiveState: z.string(),
    systemdSubState: z.string(),
    destroyed: z.literal(true).optional(),
  }),
);

const unitFiles = z.array(
  z.looseObject({
    name: z.string(),
    hash: z.string(),
    description: z.string(),
    desiredState: state,
    currentState: state,
    global: z.boolean(),
    ran: z.strictObject({ machineID: z.string(), atMs: z.int() }).optional(),
    placements: z.array(
      z.looseObject({
        ...ofMachine,
        address: z.string(),
        reason: z.string(),
        desiredState: state,
        status: z
          .strictObject({
            hash: z.string(),
            state,
            ...states,
            note: z.string().optional(),
            exit: exit.optional(),
            start: z.int().optional(),
          })
          .optional(),
      }),
    ),
  }),
);

const status = z.array(
  z.strictObject({
    name: z.string(),
    hash: z.string().optional(),
    description: z.string().optional(),
    desiredState: state.optional(),
    reports: z.array(
      z.strictObject({
        ...ofMachine,
        address: z.string(),
        load: z.string().optional(),
        active: z.string().optional(),
        sub: z.string().optional(),
        note: z.string().optional(),
        exit: exit.optional(),
        text: z.string(),
        exitCode: z.int(),
        error: z.string().optional(),
      }),
    ),
  }),
);

const event = z.strictObject({
  type: z.literal('happened'),
  revision: z.int(),
  kind: z.string(),
  atMs: z.int().optional(),
  approximate: z.literal(true).optional(),
  subject: z.enum(['unit', 'machine', 'leader']),
  name: z.string(),
  sentence: z.string(),
  unit: z.string().optional(),
  machine: machine.optional(),
  desiredState: state.optional(),
  state: z.strictObject(states).optional(),
  reason: z.string().optional(),
  result: z.string().optional(),
  exitStatus: z.int().optional(),
  signal: z.int().optional(),
});

const why = z.looseObject({
  name: z.string(),
  desiredState: state,
  placements: z.array(z.strictObject({ ...ofMachine, address: z.string(), reason: z.string() })),
  machines: z.array(
    z.strictObject({ ...ofMachine, address: z.string(), units: z.int(), reason: z.string().optional() }),
  ),
  summary: z.string(),
});

const instance = z.looseObject({
  id: z.string(),
  ...ofMachine,
  node: z.string(),
  address: z.string(),
  port: z.int(),
  health: z.enum(['passing', 'warning', 'critical']),
});
const service = z.strictObject({ name: z.string(), instances: z.array(instance) });

/** By command; `services NAME` prints one element of `services`. */
export const JSON_SHAPES = {
  version: z.strictObject({ version: z.string() }),
  'list-machines': machines,
  'list-units': units,
  'list-unit-files': unitFiles,
  status,
  events: event,
  why,
  services: z.array(service),
  resolve: z.array(instance),
  'router routes': z.looseObject({ plane: z.string(), routes: z.array(z.looseObject({ host: z.string() })) }),
  'router backends': z.array(z.looseObject({ id: z.string(), service: z.string(), state: z.string() })),
  'router certificates': z.array(
    z.strictObject({ name: z.string(), hosts: z.array(z.string()), expiresMs: z.number() }),
  ),
} as const satisfies Record<string, z.ZodType>;

/**
 * Returns all shapes as one JSON schema. They are strict for our tests; the published schema allows later versions to
 * add fields.
 */
export function jsonSchemaText(): string {
  const commands = Object.entries(JSON_SHAPES).map(([name, shape]) => [
    name,
    z.toJSONSchema(shape, { override: open }),
  ]);
  const document = { title: 'What fleetctl prints with -o json', $defs: Object.fromEntries(commands) };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function open({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
}
