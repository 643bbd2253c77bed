import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../cluster/index.ts';
import {
  type Clock,
  type Log,
  Loop,
  makeStateDirectory,
  type Random,
  readStateFile,
  replaceStateFile,
} from '../lib/index.ts';
import { isCertificateName } from '../router/index.ts';

export interface MirrorCertificatesOptions {
  readonly cluster: Cluster;
  /** Created when it does not exist; must hold nothing else. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Mirrors the store's certificates into a directory, each in a file NAME.pem with mode 0600, until the signal aborts.
 * While the store is unreachable the files stay. The directory exists when this returns.
 */
export function mirrorCertificates({ cluster, directory, ...options }: MirrorCertificatesOptions): void {
  makeStateDirectory(directory);
  let view: Awaited<ReturnType<Cluster['certificateView']>> | undefined;
  const loop = new Loop({ ...options, name: 'certificates' }, async () => {
    if (view === undefined) {
      view = await cluster.certificateView(options.signal);
      view.onChange(() => loop.wake());
    }
    writeAll(directory, view.snapshot.certificates);
    return undefined;
  });
}

/** Deletes the files of an earlier mirror. */
export function forgetCertificates(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

/** Writes only differences, each file atomically, so that watchers of the directory are not woken needlessly. */
function writeAll(directory: string, certificates: ReadonlyMap<string, string>): void {
  const named = [...certificates].filter(([name]) => isCertificateName(name));
  const wanted = new Map(named.map(([name, pem]) => [`${name}.pem`, pem]));
  for (const file of readdirSync(directory)) if (!wanted.has(file)) rmSync(join(directory, file), { recursive: true });
  for (const [file, pem] of wanted) {
    const place = join(directory, file);
    if (contentOf(place) === pem) continue;
    // Programs that read certificates ignore names that begin with a dot.
    replaceStateFile(place, pem, { draft: join(directory, `.${file}`) });
  }
}

function contentOf(file: string): string | undefined {
  try {
    return readStateFile(file);
  } catch {
    return undefined;
  }
}
