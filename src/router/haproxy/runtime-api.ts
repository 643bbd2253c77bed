import { connect } from 'node:net';
import { FlotillaError, messageOf } from '../../lib/index.ts';

/** A HAProxy that says nothing for so long hangs: whoever waited on would block every later change. */
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

/** Gives HAProxy what is in the files of certificates it has; false as soon as it does not take one that way. */
export async function renewCertificates(
  socket: string,
  files: readonly { readonly file: string; readonly pem: string }[],
): Promise<boolean> {
  for (const { file, pem } of files) {
    const name = file.replace(/[\\; ]/g, '\\$&');
    // An empty line ends what is sent.
    const lines = pem.split(/\r?\n/).filter((line) => line.trim() !== '');
    await askHaproxy(socket, [`set ssl cert ${name} <<\n${lines.join('\n')}\n`]);
    if (!(await askHaproxy(socket, [`commit ssl cert ${name}`])).includes('Success!')) return false;
  }
  return true;
}

/** What HAProxy counts of one server. */
export interface ServerStat {
  readonly section: string;
  readonly server: string;
  readonly status: string;
  readonly active: number;
  readonly requests: number;
  readonly failures: number;
}

/** Reads the answer to `show stat`. */
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
