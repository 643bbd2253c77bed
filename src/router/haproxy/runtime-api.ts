import { connect } from 'node:net';
import { FlotillaError, messageOf } from '../../lib/index.ts';

/** Sends commands to HAProxy's runtime API and answers what it says; rejects with FlotillaError `unavailable`. */
export function askHaproxy(socket: string, commands: readonly string[]): Promise<string> {
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
    connection.write(`${commands.join('; ')}\n`);
  });
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
