/**
 * `compare-units.ts SEED COUNT`: gives generated units to this machine's systemd and to the supervisor's reader, and prints
 * where the two differ in what the units' commands get as arguments and environment.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expandArgv, readUnit } from '../../../src/runtime/supervisor/spec/index.ts';
import { environmentOf } from '../../../src/runtime/supervisor/units/unit-environment.ts';
import { newMemory } from '../../../src/runtime/supervisor/units/unit-memory.ts';
import { DIRECTORY, REPORT, type UnitCase, unitCases } from './unit-cases.ts';

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '');
const machineId = readFileSync('/etc/machine-id', 'utf8').trim();
const FACTS = { machineId, bootId, hostname: hostname(), runtimeDirectory: '/run' };
const BATCH = 200;
/** What systemd sets for its own purposes, or what differs from run to run. */
const NOT_COMPARED = /^(?:INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|LANG|PATH|PWD)=/;
/** Files that systemd makes something of, and that are refused here with a named reason, rather than run in part. */
const REFUSED_BY_DESIGN =
  /specifier %. needs systemd|blanks stand behind|carriage return|NUL|Failed to load environment file/;
/** Ends what one command reported; no text in UTF-8 holds it. */
const END = '\xff';
const SCRIPT = `#!/bin/sh
{ /bin/cat /proc/$$/cmdline; printf '\\377'; /bin/cat /proc/$$/environ; printf '\\377'; } >>${DIRECTORY}/out/$1
`;

interface Written {
  readonly name: string;
  readonly text: string;
  readonly id: (index: number) => string;
}

function write(one: UnitCase, number: number): Written {
  const name = `c-${number}@x-y.service`;
  const file = `${DIRECTORY}/${number}.env`;
  const text = one.unit.replaceAll('ID.', `${number}.`).replace('=FILE', `=${file}`);
  writeFileSync(file, one.environmentFile);
  writeFileSync(`/run/systemd/system/${name}`, text);
  return { name, text, id: (index) => `${DIRECTORY}/out/${number}.${index}` };
}

/** What the supervisor would run, in the form in which the commands report it; or why it refuses. */
function ours({ name, text }: Written): readonly string[] | string {
  const spec = readUnit(name, text, FACTS);
  if (typeof spec === 'string') return spec;
  const service = spec.service!;
  try {
    const environment = environmentOf(service.context, newMemory(name, 'h'), {});
    const strange = service.exec.ExecStart.findIndex(({ path }) => path !== REPORT && path !== '/bin/sh');
    // Whatever other word became a program's name, there is none, and the unit ends there.
    const run = strange < 0 ? service.exec.ExecStart : service.exec.ExecStart.slice(0, strange);
    return run.map((command) => {
      const argv = expandArgv(command, environment);
      const shown = command.path === REPORT ? ['/bin/sh', REPORT, ...argv.slice(1)] : argv;
      return `${nulEnded(shown)}${END}${sortedEnvironment(Object.entries(environment).map(([key, value]) => `${key}=${value}`))}`;
    });
  } catch (error) {
    return (error as Error).message;
  }
}

function nulEnded(words: readonly string[]): string {
  return Buffer.from(words.map((word) => `${word}\0`).join('')).toString('latin1');
}

function sortedEnvironment(words: readonly string[]): string {
  return nulEnded(words.filter((word) => !NOT_COMPARED.test(word)).sort());
}

/** What the commands reported, in order. */
function theirs({ id }: Written): readonly string[] {
  const all: string[] = [];
  for (let index = 0; index < 3; index++) {
    if (!existsSync(id(index))) continue;
    const parts = readFileSync(id(index), 'latin1').split(END);
    for (let at = 0; at + 1 < parts.length; at += 2) {
      const environment = Buffer.from(parts[at + 1]!, 'latin1')
        .toString()
        .split('\0')
        .filter(Boolean);
      all.push(`${parts[at]}${END}${sortedEnvironment(environment)}`);
    }
  }
  return all;
}

function difference(written: Written, one: UnitCase): string | undefined {
  const [mine, real] = [ours(written), theirs(written)];
  if (typeof mine === 'string') {
    if (real.length === 0 || REFUSED_BY_DESIGN.test(mine)) return undefined;
  } else if (JSON.stringify(mine) === JSON.stringify(real)) return undefined;
  const facts = { unit: written.text, environmentFile: one.environmentFile, supervisor: mine, systemd: real };
  return JSON.stringify(facts, undefined, 1);
}

const [seed, count] = process.argv.slice(2).map(Number) as [number, number];
mkdirSync(`${DIRECTORY}/out`, { recursive: true });
execFileSync('chmod', ['777', `${DIRECTORY}/out`]);
writeFileSync(REPORT, SCRIPT, { mode: 0o755 });
const cases = unitCases(seed, count);
const found: string[] = [];
let compared = 0;
for (let from = 0; from < cases.length; from += BATCH) {
  const batch = cases.slice(from, from + BATCH).map((one, index) => ({ one, written: write(one, from + index) }));
  execFileSync('systemctl', ['daemon-reload']);
  spawnSync('systemctl', ['start', ...batch.map(({ written }) => written.name)], { stdio: 'ignore' });
  for (const { one, written } of batch) {
    const different = difference(written, one);
    if (different !== undefined) found.push(different);
    compared += theirs(written).length;
    rmSync(`/run/systemd/system/${written.name}`);
  }
}
console.log(`${count} units, ${compared} commands compared, ${found.length} differ`);
for (const different of found.slice(0, 10)) console.log(different);
process.exitCode = found.length === 0 && compared > count / 2 ? 0 : 1;
