import { createSecureContext, type SecureContext } from 'node:tls';
import { FlotillaError, systemReason } from '../../lib/index.ts';
import type { CertificateFile } from '../certificate-files.ts';

/** Selects the certificate for each TLS client. */
export class Certificates {
  readonly #byHost = new Map<string, SecureContext>();
  /** The first certificate, for clients without SNI; undefined when there is none. */
  readonly fallback: { readonly cert: string; readonly key: string } | undefined;
  readonly #first: SecureContext | undefined;

  /** Throws FlotillaError `usage` that names the file whose certificate is unusable. */
  constructor(files: readonly CertificateFile[]) {
    const contexts = files.map(contextOf);
    files.forEach(({ hosts }, index) => {
      for (const host of hosts) if (!this.#byHost.has(host)) this.#byHost.set(host, contexts[index]!);
    });
    const [first] = files;
    this.#first = contexts[0];
    this.fallback = first && { cert: first.pem, key: first.pem };
  }

  /** Returns the certificate for a host: an exact one, a wildcard, or the first; undefined when there is none. */
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
