import type { ApiParts } from './api-parts.ts';
import type { Handlers } from './call-handlers.ts';
import { certificateHandlers } from './certificate-handlers.ts';
import { discoveryDocument } from './discovery.ts';
import { eventHandler } from './event-handlers.ts';
import { getJournal, localJournal } from './journal-handlers.ts';
import { leaderHandler, machineHandlers } from './machine-handlers.ts';
import { openApiDocument } from './openapi.ts';
import { routerHandlers } from './router-handlers.ts';
import { serviceHandlers } from './service-handlers.ts';
import type { CALLS, documentCalls, fleetdCalls, Prefix } from './shapes/index.ts';
import { stateHandlers } from './state-handlers.ts';
import { getStatus, localStatus } from './status-handlers.ts';
import { unitHandlers } from './unit-handlers.ts';
import { getWhy } from './why-handlers.ts';

/** A handler for every call of the API, below one of its prefixes. */
export function allHandlers(prefix: Prefix, parts: ApiParts): AllHandlers {
  return {
    Machines: machineHandlers(parts),
    Units: {
      ...unitHandlers(parts),
      Why: ({ path }) => getWhy(path.unitName, parts),
      Status: (asked) => getStatus(asked, parts),
      Journal: (asked) => getJournal(asked, parts),
    },
    UnitState: stateHandlers(parts),
    Services: serviceHandlers(parts),
    Router: { ...routerHandlers(parts), ...certificateHandlers(parts) },
    Cluster: { ...eventHandler(parts), ...leaderHandler(parts), ...fleetdHandlers(parts) },
    Peers: {
      Status: ({ path, query }) => localStatus(parts, path.unitName, query.lines),
      Journal: (asked) => localJournal(asked, parts),
    },
    Documents: documentHandlers(prefix, parts),
  };
}

type AllHandlers = { readonly [Group in keyof typeof CALLS]: Handlers<(typeof CALLS)[Group]> };

function fleetdHandlers({ options, reader }: ApiParts): Handlers<typeof fleetdCalls> {
  const self = { machineID: options.machineId, version: options.version };
  return {
    Version: () => self,
    Health: async () => {
      await reader.view.ping();
      return { ok: true, ...self };
    },
  };
}

function documentHandlers(prefix: Prefix, { options }: ApiParts): Handlers<typeof documentCalls> {
  const discovery = discoveryDocument(prefix);
  return {
    Discovery: () => discovery,
    OpenApi: () => openApiDocument(options.version),
  };
}
