import { readFileSync } from 'node:fs';
import { arch, homedir, hostname as osHostname, release, userInfo } from 'node:os';
import { parseUnitName } from '../../../unitfile/index.ts';

/** The values of specifiers that do not derive from the unit's name. */
export interface SpecifierFacts {
  readonly machineId: string;
  readonly bootId: string;
  readonly hostname: string;
  readonly runtimeDirectory: string;
}

/** Specifiers of systemd without a value here. */
const NEEDS_SYSTEMD = 'ABcdDMorRwWyY';

/** An unknown specifier; systemd does not run a command that contains one. */
export class UnknownSpecifier extends RangeError {}

/**
 * Expands %-specifiers for one unit; `%` before anything but a letter or digit stays. Throws a RangeError for
 * specifiers that need systemd and for unknown letters.
 */
export type ExpandSpecifiers = (text: string) => string;

/** Makes the function that expands the specifiers of systemd.unit(5) for unit `name` as the system manager does. */
export function specifiersOf(name: string, facts: SpecifierFacts): ExpandSpecifiers {
  const values = tableOf(name, facts);
  return (text) =>
    text.replace(/%(.?)/gs, (_, letter: string) => {
      const value = values[letter];
      if (value !== undefined) return value();
      if (letter !== '' && NEEDS_SYSTEMD.includes(letter))
        throw new RangeError(`the specifier %${letter} needs systemd`);
      if (/[A-Za-z0-9]/.test(letter))
        throw new UnknownSpecifier(`there is no specifier %${letter}: write %%${letter} for a percent sign`);
      return `%${letter}`;
    });
}

function tableOf(name: string, facts: SpecifierFacts): Readonly<Record<string, () => string>> {
  const prefix = () => parseUnitName(name).prefix;
  const instance = () => parseUnitName(name).instance ?? '';
  const lastPart = () => prefix().slice(prefix().lastIndexOf('-') + 1);
  return {
    '%': () => '%',
    n: () => name,
    N: () => name.slice(0, name.lastIndexOf('.')),
    p: prefix,
    P: () => unescapeUnitName(prefix()),
    i: instance,
    I: () => unescapeUnitName(instance()),
    j: lastPart,
    J: () => unescapeUnitName(lastPart()),
    f: () => `/${unescapeUnitName(instance() || prefix()).replace(/^\//, '')}`,
    H: () => facts.hostname,
    l: () => facts.hostname.split('.')[0]!,
    q: () => facts.hostname || osHostname(),
    m: () => facts.machineId,
    b: () => facts.bootId,
    t: () => facts.runtimeDirectory,
    h: () => orElse('/', homedir),
    u: () => orElse(String(process.geteuid!()), () => userInfo().username),
    U: () => String(process.geteuid!()),
    g: () => groupName(process.getegid!()),
    G: () => String(process.getegid!()),
    s: () => orElse('/bin/sh', () => userInfo().shell ?? '/bin/sh'),
    v: () => release(),
    a: () => ({ x64: 'x86-64', arm64: 'arm64' })[arch() as string] ?? arch(),
    T: () => '/tmp',
    V: () => '/var/tmp',
    S: () => '/var/lib',
    C: () => '/var/cache',
    L: () => '/var/log',
    E: () => '/etc',
  };
}

/** Returns `otherwise` for a user without an entry in /etc/passwd, as in many containers. */
function orElse(otherwise: string, read: () => string): string {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function groupName(gid: number): string {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(gid));
  return line?.split(':')[0] ?? String(gid);
}

/** Reverses `systemd-escape`: `-` becomes `/`, `\x2d` becomes `-`. */
export function unescapeUnitName(text: string): string {
  const bytes = text.replace(/\\x([0-9a-fA-F]{2})|-/g, (all, hex: string | undefined) =>
    hex === undefined ? '/' : String.fromCharCode(Number.parseInt(hex, 16)) || all,
  );
  return Buffer.from(bytes, 'latin1').toString().includes('\ufffd') ? bytes : Buffer.from(bytes, 'latin1').toString();
}
