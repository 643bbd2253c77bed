import { readdirSync, readFileSync, watch } from 'node:fs';
import path from 'node:path';
import { type Clock, FlotillaError, type Log, messageOf, systemReason } from '../lib/index.ts';
import { type CertificateFacts, readCertificate } from './certificate.ts';

/** A file `*.pem` that holds a certificate, its chain and its key. */
export interface CertificateFile extends CertificateFacts {
  readonly file: string;
  readonly pem: string;
}

/** Milliseconds to wait after a change, since programs rarely write a file in one step. */
const SETTLE_MS = 200;

export interface WatchCertificatesOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with all files soon after one has changed, as when certificates are renewed. */
  readonly onChange: (files: readonly CertificateFile[]) => void;
}

export interface WatchedCertificates {
  /** The files at the start, by name. */
  readonly files: readonly CertificateFile[];
  close(): void;
}

/**
 * Reads the certificates of a directory and keeps watching it. Throws FlotillaError `usage` when the directory cannot
 * be read or a file is invalid. Later failures are logged and leave the certificates as they are.
 */
export function watchCertificates({ directory, clock, log, onChange }: WatchCertificatesOptions): WatchedCertificates {
  let cancel = () => {};
  const change = () => {
    try {
      const files = readFiles(directory);
      log.info('Certificates read anew', { directory, certificates: files.length });
      if (files.length === 0) log.warn('No certificate is left: TLS is refused until there is one', { directory });
      onChange(files);
    } catch (error) {
      log.error('Certificates stay as they were', { error: messageOf(error) });
    }
  };
  // Begin to watch before reading, so that no change is missed in between.
  const watcher = reading(directory, () => watch(directory, { persistent: false }));
  watcher.on('change', () => {
    cancel();
    cancel = clock.after(SETTLE_MS, change);
  });
  watcher.on('error', (error) => log.error('Certificates are not watched any more', { error: messageOf(error) }));
  const close = () => {
    cancel();
    watcher.close();
  };
  try {
    const files = readFiles(directory);
    if (files.length === 0) log.warn('No certificate yet: TLS is refused until there is one', { directory });
    return { files, close };
  } catch (error) {
    close();
    throw error;
  }
}

function readFiles(directory: string): readonly CertificateFile[] {
  const names = reading(directory, () => readdirSync(directory)).filter((name) => /^[^.].*\.pem$/.test(name));
  return names.sort().map((name) => {
    const file = path.join(directory, name);
    return reading(file, () => {
      const pem = readFileSync(file, 'utf8');
      return { file, pem, ...readCertificate(pem) };
    });
  });
}

function reading<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new FlotillaError('usage', `router_certificates: cannot use ${place}: ${systemReason(error)}`);
  }
}
