import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { FlotillaError, messageOf } from '../../lib/index.ts';

/** The certificates of a directory: files `*.pem`, each with a certificate, its chain and its key. */
export class Certificates {
  readonly #byName: ReadonlyMap<string, SecureContext>;
  /** For clients that name no host, or none of these. */
  readonly fallback: SecureContext;

  private constructor(byName: ReadonlyMap<string, SecureContext>, fallback: SecureContext) {
    this.#byName = byName;
    this.fallback = fallback;
  }

  /** Reads them all; throws FlotillaError `usage` that names the file when one is of no use, or there is none. */
  static read(directory: string): Certificates {
    const byName = new Map<string, SecureContext>();
    let fallback: SecureContext | undefined;
    for (const file of pemFiles(directory)) {
      const { names, context } = readCertificate(path.join(directory, file));
      fallback ??= context;
      for (const name of names) if (!byName.has(name)) byName.set(name, context);
    }
    if (fallback === undefined)
      throw new FlotillaError('usage', `router_certificates: no file *.pem in ${directory}; put a certificate there`);
    return new Certificates(byName, fallback);
  }

  /** The certificate for a host: its own, one for `*.` its domain, or the first. */
  for(name: string): SecureContext {
    const host = name.toLowerCase();
    return this.#byName.get(host) ?? this.#byName.get(`*${host.slice(host.indexOf('.'))}`) ?? this.fallback;
  }
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

function readCertificate(file: string): { names: readonly string[]; context: SecureContext } {
  try {
    const pem = readFileSync(file);
    const { subject, subjectAltName } = new X509Certificate(pem);
    const alternatives = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name!);
    const common = /^CN=(.+)$/m.exec(subject)?.[1];
    const names = alternatives.length > 0 ? alternatives : common ? [common] : [];
    const context = createSecureContext({ cert: pem, key: pem, minVersion: 'TLSv1.2' });
    return { names: names.map((name) => name.toLowerCase()), context };
  } catch (error) {
    throw new FlotillaError('usage', `router_certificates: cannot use ${file}: ${messageOf(error)}`);
  }
}
