import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, watch } from 'node:fs';
import path from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, FlotillaError, type Log, messageOf } from '../../lib/index.ts';

const SETTLE_MS = 500;

interface Read {
  readonly names: readonly string[];
  readonly context: SecureContext;
  readonly pem: Buffer;
}

/** The certificates of a directory: files `*.pem`, each with a certificate, its chain and its key. */
export class Certificates {
  readonly #byName: ReadonlyMap<string, SecureContext>;
  readonly #first: SecureContext;
  /** The first file, for clients that name no host. */
  readonly fallback: { readonly cert: Buffer; readonly key: Buffer };

  private constructor(byName: ReadonlyMap<string, SecureContext>, first: Read) {
    this.#byName = byName;
    this.#first = first.context;
    this.fallback = { cert: first.pem, key: first.pem };
  }

  /** Reads them all; throws FlotillaError `usage` that names the file when one is of no use, or there is none. */
  static read(directory: string): Certificates {
    const byName = new Map<string, SecureContext>();
    const read = pemFiles(directory).map((file) => readCertificate(path.join(directory, file)));
    for (const { names, context } of read) for (const name of names) if (!byName.has(name)) byName.set(name, context);
    const [first] = read;
    if (first === undefined)
      throw new FlotillaError('usage', `router_certificates: no file *.pem in ${directory}; put a certificate there`);
    return new Certificates(byName, first);
  }

  /** The certificate for a host: its own, one for `*.` its domain, or the first. */
  for(name: string): SecureContext {
    const host = name.toLowerCase();
    return this.#byName.get(host) ?? this.#byName.get(`*${host.slice(host.indexOf('.'))}`) ?? this.#first;
  }
}

/**
 * Calls back with the certificates of a directory some time after its files have changed, as when they are renewed; those
 * that are of no use are reported and leave things as they are. Answers the function that ends this.
 */
export function watchCertificates(
  directory: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  onChange: (certificates: Certificates) => void,
): () => void {
  let cancel = () => {};
  const read = () => {
    try {
      onChange(Certificates.read(directory));
      log.info('Certificates read anew', { directory });
    } catch (error) {
      log.error('Certificates stay as they were', { error: messageOf(error) });
    }
  };
  // Files are rarely written in one step.
  const watcher = watch(directory, { persistent: false }, () => {
    cancel();
    cancel = clock.after(SETTLE_MS, read);
  });
  watcher.on('error', (error) => log.error('Certificates are not watched any more', { error: messageOf(error) }));
  return () => {
    cancel();
    watcher.close();
  };
}

function pemFiles(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((file) => file.endsWith('.pem'))
      .sort();
  } catch (error) {
    throw new FlotillaError('usage', `router_certificates: cannot read ${directory}: ${messageOf(error)}`);
  }
}

function readCertificate(file: string): Read {
  try {
    const pem = readFileSync(file);
    const { subject, subjectAltName } = new X509Certificate(pem);
    const alternatives = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name!);
    const common = /^CN=(.+)$/m.exec(subject)?.[1];
    const names = alternatives.length > 0 ? alternatives : common ? [common] : [];
    const context = createSecureContext({ cert: pem, key: pem, minVersion: 'TLSv1.2' });
    return { names: names.map((name) => name.toLowerCase()), context, pem };
  } catch (error) {
    throw new FlotillaError('usage', `router_certificates: cannot use ${file}: ${messageOf(error)}`);
  }
}
