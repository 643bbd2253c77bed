import { createSecureContext, type SecureContext } from 'node:tls';
import { FlotillaError, systemReason } from '../../lib/index.ts';
import type { CertificateFile } from '../certificate-files.ts';

/** The certificates that clients are shown. */
export class Certificates {
  readonly #byHost = new Map<string, SecureContext>();
  /** The first of them, for clients that name no host; undefined when there is none at all. */
  readonly fallback: { readonly cert: string; readonly key: string } | undefined;
  readonly #first: SecureContext | undefined;

  /** Throws FlotillaError `usage` that names the file when one cannot be used. */
  constructor(files: readonly CertificateFile[]) {
    const contexts = files.map(contextOf);
    files.forEach(({ hosts }, index) => {
      for (const host of hosts) if (!this.#byHost.has(host)) this.#byHost.set(host, contexts[index]!);
    });
    const [first] = files;
    this.#first = contexts[0];
    this.fallback = first && { cert: first.pem, key: first.pem };
  }

  /** The certificate for a host: its own, one for `*.` its domain, or the first; undefined when there is none at all. */
  for(name: string): SecureContext | undefined {
    const host = name.toLowerCase();
    return this.#byHost.get(host) ?? this.#byHost.get(`*${host.slice(host.indexOf('.'))}`) ?? this.#first;
  }
}

function contextOf({ file, pem }: CertificateFile): SecureContext {
  try {
    return createSecureContext({ cert: pem, key: pem, minVersion: 'TLSv1.2' });
  } catch (error) {
    throw new FlotillaError('usage', `router_certificates: cannot use ${file}: ${systemReason(error)}`);
  }
}
