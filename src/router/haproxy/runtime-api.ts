import { connect } from 'node:net';
import { FlotillaError, messageOf } from '../../lib/index.ts';

/** A HAProxy that is silent this long hangs; waiting on would block every later change. */
const SILENT_AT_MOST_MS = 5000;

/** Sends commands to HAProxy's runtime API and returns its response; rejects with FlotillaError `unavailable`. */
export function askHaproxy(
  socket: string,
  commands: readonly string[],
  silentAtMostMs = SILENT_AT_MOST_MS,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket });
    let answer = '';
    connection.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    connection.on('end', () => resolve(answer));
    connection.on('error', (error) =>
      reject(new FlotillaError('unavailable', `HAProxy's runtime API does not answer: ${messageOf(error)}`)),
    );
    connection.setTimeout(silentAtMostMs, () => connection.destroy(new Error(`it is silent for ${silentAtMostMs} ms`)));
    connection.write(`${commands.join('; ')}\n`);
  });
}

/** Sends HAProxy the contents of the certificate files it has loaded; returns false as soon as it refuses one. */
export async function renewCertificates(
  socket: string,
  files: readonly { readonly file: string; readonly pem: string }[],
): Promise<boolean> {
  for (const { file, pem } of files) {
    const name = file.replace(/[\\; ]/g, '\\$&');
    // An empty line would end the payload.
    const lines = pem.split(/\r?\n/).filter((line) => line.trim() !== '');
    await askHaproxy(socket, [`set ssl cert ${name} <<\n${lines.join('\n')}\n`]);
    if (!(await askHaproxy(socket, [`commit ssl cert ${name}`])).includes('Success!')) return false;
  }
  return true;
}

/** HAProxy's counters of one server. */
export interface ServerStat {
  readonly section: string;
  readonly server: string;
  readonly status: string;
  readonly active: number;
  readonly requests: number;
  readonly failures: number;
}

/** Parses the response to `show stat`. */
export function readStats(csv: string): ServerStat[] {
  const [legend = '', ...lines] = csv.trim().split('\n');
  const columns = legend.replace(/^# /, '').split(',');
  return lines.map((line) => {
    const fields = line.split(',');
    const field = (name: string) => fields[columns.indexOf(name)] ?? '';
    return {
      section: field('pxname'),
      server: field('svname'),
      status: field('status'),
      active: Number(field('scur')),
      requests: Number(field('stot')),
      failures: Number(field('econ')) + Number(field('eresp')),
    };
  });
}
