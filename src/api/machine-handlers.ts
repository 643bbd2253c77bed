import { FlotillaError, isObject } from '../lib/index.ts';
import type { Prepared } from './answers.ts';
import type { ApiParts } from './api-parts.ts';
import type { Asked, Handlers } from './call-handlers.ts';
import { cutPage, pageOf } from './page-token.ts';
import { addressOf, machinesOf } from './present.ts';
import { type ApiMachinePatchOperation, type leaderCall, type machineCalls, metadataObject } from './shapes/index.ts';

export function machineHandlers(parts: ApiParts): Handlers<typeof machineCalls> {
  return {
    List: ({ query }) => listMachines(query, parts),
    Patch: ({ body }) => patchMachines(body, parts),
  };
}

export function leaderHandler({ reader }: ApiParts): Handlers<typeof leaderCall> {
  return {
    Leader: async () => {
      const snapshot = await reader.view.read();
      if (snapshot.leader === undefined)
        throw new FlotillaError('not-found', 'no machine leads the cluster at the moment');
      const { machine, sinceMs } = snapshot.leader;
      return { machineID: machine, address: addressOf(snapshot, machine), sinceMs };
    },
  };
}

type List = Asked<typeof machineCalls.List>;
type Patch = Asked<typeof machineCalls.Patch>;

async function listMachines({ nextPageToken, all }: List['query'], { reader, options }: ApiParts): Promise<Prepared> {
  const page = pageOf(nextPageToken, options.tokenLimit);
  const snapshot = await reader.view.read();
  const key = all ? 'machines' : `machines page ${page.page}`;
  const build = () => {
    const machines = machinesOf(snapshot);
    const { items, ...rest } = all ? { items: machines } : cutPage(machines, page);
    return JSON.stringify({ machines: items, ...rest });
  };
  return reader.recall(key, ['machine']) ?? reader.prepare(key, ['machine'], build());
}

async function patchMachines(body: Patch['body'], { reader, options }: ApiParts): Promise<204> {
  const changes = (await body()).map(metadataChange);
  if (changes.length > 0) await reader.view.call(() => options.cluster.setMetadata(changes));
  for (const { machine, key, value } of changes) options.log.info('Machine metadata changed', { machine, key, value });
  return 204;
}

/** One operation of the patch, refused in fleet's words. */
function metadataChange({ op, path, value }: ApiMachinePatchOperation) {
  if (op !== 'add' && op !== 'remove' && op !== 'replace') {
    throw new FlotillaError('invalid', 'invalid op: expect add, remove, or replace');
  }
  const [, machine, key] = /^\/([A-Za-z0-9_.:-]+)\/metadata\/([A-Za-z0-9_.-]+)$/.exec(String(path)) ?? [];
  if (machine === undefined || key === undefined) {
    throw new FlotillaError('invalid', 'machine metadata path invalid');
  }
  if (op === 'remove') return { machine, key, value: undefined };
  const text = metadataValue(value);
  if (text === undefined) throw new FlotillaError('invalid', 'invalid value: add and replace require a value');
  return { machine, key, value: text };
}

/** fleet's documentation shows a string, its decoder wanted `{"value":"x"}`, in any case. */
function metadataValue(value: unknown): string | undefined {
  const text = isObject(value) ? metadataObject.parse(value).value : value;
  return typeof text === 'string' && text !== '' && text.isWellFormed() ? text : undefined;
}
