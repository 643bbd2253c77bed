import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** The sentence that says why no certificate can be made here; false where they can. */
export const noOpenssl: string | false =
  spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed (apt install openssl)';

export interface MadeCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate for these hosts that is its own authority and lasts two days, and its key, in PEM. */
export function makeCertificate(...hosts: readonly string[]): MadeCertificate {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'certificate-'));
  try {
    const [key, cert] = [path.join(directory, 'key'), path.join(directory, 'cert')];
    const names = hosts.map((host) => `DNS:${host}`).join(',');
    const subject = ['-subj', `/CN=${hosts[0]}`, '-addext', `subjectAltName=${names}`];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const { status, stderr } = spawnSync('openssl', [
      'req',
      '-x509',
      ...curve,
      ...subject,
      '-keyout',
      key,
      '-out',
      cert,
    ]);
    if (status !== 0) throw new Error(`openssl: ${stderr}`);
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The same as one text. */
export function makePem(...hosts: readonly string[]): string {
  const { cert, key } = makeCertificate(...hosts);
  return cert + key;
}
