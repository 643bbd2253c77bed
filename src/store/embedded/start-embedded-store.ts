import type { AdmitPeer, Clock, Log, Random } from '../../lib/index.ts';
import { FlotillaError, messageOf } from '../../lib/index.ts';
import { type GrpcServer, serveGrpc } from '../grpc/index.ts';
import { type CommitHooks, CommitQueue } from './commit-queue.ts';
import { Compactor } from './compactor.ts';
import { type DataDirectory, openDataDirectory } from './data-directory.ts';
import type { Tables } from './database.ts';
import { Keyspace } from './keyspace.ts';
import { Leases } from './leases.ts';
import { type Identity, type StoreParts, storeService } from './services.ts';
import { WatchHub } from './watch-hub.ts';

export interface EmbeddedStoreOptions {
  /** Created when it does not exist; used by one process at a time. */
  readonly directory: string;
  /** Address to listen on; every admitted client that reaches it can read and write everything. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Decides who may connect; absent: everybody. */
  readonly admitPeer?: AdmitPeer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Changes kept for watches and reads of the past before automatic compaction. Default 20,000. */
  readonly keepChanges?: number;
  /** Limit of that history in bytes, approximate. Default 64 MiB. */
  readonly keepBytes?: number;
  /** Limit of operations in a branch of a transaction. Default 128. */
  readonly maxTxnOps?: number;
  /** Limit of a request in bytes. Default 1.5 MiB. */
  readonly maxRequestBytes?: number;
  /** Interval at which an idle watch that asked for it learns how far the store has got. Default 10 s. */
  readonly progressIntervalMs?: number;
}

export interface EmbeddedStore {
  /** `http://HOST:PORT`, for a Store client or etcdctl. */
  readonly endpoint: string;
  readonly port: number;
  /** Finishes what was begun, closes all connections and releases the directory. */
  close(): Promise<void>;
}

/**
 * Serves the etcd v3 gRPC API from a directory; resolves when it accepts requests. Rejects with a FlotillaError:
 * `conflict` (directory or port in use), `damaged` (see the message).
 */
export async function startEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const data = openDataDirectory(options.directory);
  let server: GrpcServer;
  const parts = assemble(data, options, () => endpointOf(options.host, server.port));
  try {
    server = await serve(parts, options);
  } catch (error) {
    await shutDown(parts, data);
    const address = `${options.host}:${options.port}`;
    throw new FlotillaError('conflict', `the store cannot listen on ${address}: ${messageOf(error)}`, {}, error);
  }
  parts.compactor.trimInBackground(parts.queue);
  return {
    endpoint: parts.endpoint(),
    port: server.port,
    async close() {
      await server.close();
      await shutDown(parts, data);
    },
  };
}

function assemble({ database }: DataDirectory, options: EmbeddedStoreOptions, endpoint: () => string): StoreParts {
  const { clock, random, log, keepChanges = 20_000, keepBytes = 64 << 20, maxTxnOps = 128 } = options;
  const keyspace = new Keyspace(database.tables);
  const identity = readIdentity(database.tables, random);
  const compactor = new Compactor(keyspace, { keepChanges, keepBytes }, log);
  const header = (revision: number) => ({ ...identity, revision });
  const { progressIntervalMs = 10_000 } = options;
  const hub = new WatchHub({ keyspace, clock, header, progressIntervalMs });
  const hooks: CommitHooks = {
    beforeCommit: (commits) => compactor.beforeCommit(commits),
    afterCommit: (commits) => {
      hub.publish(commits);
      compactor.afterCommit(queue);
    },
  };
  const queue: CommitQueue = new CommitQueue(database, keyspace, hooks, clock);
  const leases = new Leases({ tables: database.tables, queue, clock, random, log });
  return { database, keyspace, queue, leases, compactor, hub, identity, maxTxnOps, endpoint };
}

function serve(parts: StoreParts, options: EmbeddedStoreOptions): Promise<GrpcServer> {
  return serveGrpc(storeService(parts), {
    host: options.host,
    port: options.port,
    admitPeer: options.admitPeer,
    maxRequestBytes: options.maxRequestBytes ?? 1.5 * 1024 * 1024,
    onBug: (path, error) => {
      options.log.error('A request failed by a fault of the store', {
        path,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    },
  });
}

async function shutDown(parts: StoreParts, data: DataDirectory): Promise<void> {
  parts.leases.close();
  parts.hub.close();
  await parts.queue.close();
  await data.close();
}

const IDENTITY = Buffer.from('identity');

/** Draws the ids once and stores them with the data. */
function readIdentity({ meta }: Tables, random: Random): Identity {
  const drawn = Buffer.from(`${random.hex(16)}`, 'hex');
  const bytes = meta.get(IDENTITY) ?? drawn;
  if (bytes === drawn) meta.putSync(IDENTITY, drawn);
  return { clusterId: bytes.readBigUInt64BE(0), memberId: bytes.readBigUInt64BE(8), raftTerm: 1n };
}

function endpointOf(host: string, port: number): string {
  return host.includes(':') ? `http://[${host}]:${port}` : `http://${host}:${port}`;
}
