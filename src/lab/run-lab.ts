import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { labDirectory } from '../client/index.ts';
import { ERRORS, FlotillaError, messageOf, rowOf } from '../lib/index.ts';
import { assertOwnLab } from './assert-own-lab.ts';
import { PORTS_OF_LAB } from './choose-ports.ts';
import { commandName } from './command-name.ts';
import { removeIfEmpty, stopLab, wipeLab } from './down.ts';
import type { LabIo } from './lab-io.ts';
import { withLabLock } from './lab-lock.ts';
import { isRunning, type LabState, readLab } from './lab-state.ts';
import { kill, outage, pickMachines, powerOn } from './power.ts';
import { readMachineMetadata, readMetadata, readSetting } from './settings.ts';
import { labStatus, printStatus } from './status.ts';
import { type UpOptions, up } from './up.ts';

type Verb = (lab: string, args: Arguments, io: LabIo) => Promise<number>;

interface Arguments {
  readonly names: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
}

const OPTIONS = {
  machines: { type: 'string' },
  detach: { type: 'boolean' },
  port: { type: 'string' },
  'agent-ttl': { type: 'string' },
  'port-base': { type: 'string' },
  metadata: { type: 'string', multiple: true },
  machine: { type: 'string', multiple: true },
  set: { type: 'string', multiple: true },
  'daemon-only': { type: 'boolean' },
  wipe: { type: 'boolean' },
  output: { type: 'string', short: 'o' },
} as const;

interface VerbEntry {
  readonly run: Verb;
  readonly options: readonly (keyof typeof OPTIONS)[];
  /** The number of machine names that the command accepts. */
  readonly names: 'none' | 'some' | 'any';
}

const VERBS: Readonly<Record<string, VerbEntry>> = {
  up: {
    run: runUp,
    options: ['machines', 'detach', 'port', 'agent-ttl', 'port-base', 'metadata', 'machine', 'set'],
    names: 'none',
  },
  status: { run: runStatus, options: ['output'], names: 'none' },
  kill: { run: runKill, options: ['daemon-only'], names: 'some' },
  revive: { run: runRevive, options: [], names: 'some' },
  outage: { run: runOutage, options: [], names: 'none' },
  restore: { run: runRestore, options: [], names: 'any' },
  down: { run: runDown, options: ['wipe'], names: 'none' },
};

/** Advice by the system's error code for a disk that refuses a write. */
const DISK_ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full, make room and try again',
  EDQUOT: 'your share of the disk is used up, make room and try again',
  EROFS: 'the disk is read-only, choose another place with FLOTILLA_LAB',
  ENOTDIR: 'a file is in the way, choose another place with FLOTILLA_LAB',
  EEXIST: 'a file is in the way, choose another place with FLOTILLA_LAB',
  EACCES: 'it belongs to somebody else, choose another place with FLOTILLA_LAB',
};

/** Runs `fleetctl lab ARGUMENTS`; returns the exit status. A user's mistake is one sentence on stderr. */
export async function runLab(argv: readonly string[], io: LabIo): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== undefined && Object.hasOwn(DISK_ADVICE, code)) {
      io.err(
        `cannot use the lab's directory${path === undefined ? '' : ` ${path}`}: ${DISK_ADVICE[code]}; what was written before is unharmed\n`,
      );
      return 1;
    }
    if (!(error instanceof FlotillaError)) throw error;
    io.err(`${error.message}\n`);
    return ERRORS[error.code].exit;
  }
}

async function dispatch(argv: readonly string[], io: LabIo): Promise<number> {
  const [verb = '', ...args] = argv.map((arg) => arg.replace(/^-(?=[a-z-]{2})(?!-)/, '--'));
  const entry = rowOf(VERBS, verb);
  if (entry === undefined)
    throw new FlotillaError('usage', `unknown lab command ${verb}; there are ${Object.keys(VERBS).join(', ')}`);
  const lab = labDirectory(io.env);
  const read = parse(verb, entry, args);
  if (verb !== 'status') assertOwnLab(lab, argv, io.env);
  return await entry.run(lab, read, io);
}

function parse(verb: string, entry: VerbEntry, args: readonly string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: entry.names !== 'none',
      options: Object.fromEntries(entry.options.map((name) => [name, OPTIONS[name]])),
    });
    if (entry.names === 'some' && positionals.length === 0)
      throw new Error(`name the machines: fleetctl lab ${verb} N`);
    return { names: positionals, values: values as Arguments['values'] };
  } catch (error) {
    throw new FlotillaError(
      'usage',
      `lab ${verb}: ${messageOf(error)
        .split('\n')[0]!
        .replace(/\. To specify.*/, '')}`,
    );
  }
}

async function runUp(lab: string, { values }: Arguments, io: LabIo): Promise<number> {
  const machines = number(values['machines'], '--machines', 1, 200);
  const port = number(values['port'], '--port', 1, 65_535);
  const portBase = number(values['port-base'], '--port-base', 1, 65_536 - PORTS_OF_LAB);
  const written = values['agent-ttl'] as string | undefined;
  // A number without a unit means seconds, as everywhere in fleetctl.
  const agentTtl = written !== undefined && /^\d+(\.\d+)?$/.test(written) ? `${written}s` : written;
  if (agentTtl !== undefined && !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(agentTtl))
    throw new FlotillaError('usage', `--agent-ttl: ${agentTtl} is not a duration like 5s`);
  const several = (name: string) => (values[name] ?? []) as readonly string[];
  const options: UpOptions = {
    detach: values['detach'] === true,
    given: {
      metadata: [...several('metadata').flatMap(readMetadata), ...several('machine').flatMap(readMachineMetadata)],
      settings: several('set').map(readSetting),
    },
    ...(portBase === undefined ? {} : { portBase }),
    ...(machines === undefined ? {} : { machines }),
    ...(port === undefined ? {} : { port }),
    ...(agentTtl === undefined ? {} : { agentTtl }),
  };
  return await up(lab, options, io);
}

async function runStatus(lab: string, { values }: Arguments, io: LabIo): Promise<number> {
  const { output } = values;
  if (output !== undefined && output !== 'json' && output !== 'text')
    throw new FlotillaError('usage', `--output: ${output} is neither json nor text`);
  const status = await labStatus(lab, theLab(lab));
  if (output === 'json') io.out(`${JSON.stringify(status, undefined, 2)}\n`);
  else printStatus(status, io);
  return 0;
}

function runKill(lab: string, { names, values }: Arguments, io: LabIo): Promise<number> {
  return changing(lab, io, async (state) => {
    await kill(lab, state, pickMachines(state, names), values['daemon-only'] === true, io);
    return 0;
  });
}

function runRevive(lab: string, { names }: Arguments, io: LabIo): Promise<number> {
  return changing(lab, io, async (state) => {
    const machines = pickMachines(state, names);
    for (const { number, state: now } of machines) if (now === 'up') io.out(`Machine ${number} is up already.\n`);
    return (await powerOn(lab, state, machines, io)) ? 0 : 1;
  });
}

function runOutage(lab: string, _: Arguments, io: LabIo): Promise<number> {
  return changing(lab, io, async (state) => {
    await outage(lab, state, io);
    return 0;
  });
}

function runRestore(lab: string, { names }: Arguments, io: LabIo): Promise<number> {
  return changing(lab, io, async (state) => {
    const machines = names.length > 0 ? pickMachines(state, names) : state.machines;
    return (await powerOn(lab, state, machines, io)) ? 0 : 1;
  });
}

async function runDown(lab: string, { values }: Arguments, io: LabIo): Promise<number> {
  if (!existsSync(lab) && values['wipe'] !== true) {
    io.out(`There is no lab in ${lab}.\n`);
    return 0;
  }
  const wipe = values['wipe'] === true;
  await withLabLock(lab, io, () => (wipe ? wipeAll(lab, io) : stopAll(lab, io)), { makesRoom: wipe });
  removeIfEmpty(lab);
  return 0;
}

async function wipeAll(lab: string, io: LabIo): Promise<void> {
  await wipeLab(lab);
  io.out(`Everything of the lab in ${lab} is gone.\n`);
}

async function stopAll(lab: string, io: LabIo): Promise<void> {
  const state = readLab(lab);
  if (state === undefined) return io.out(`There is no lab in ${lab}.\n`);
  const running = isRunning(state);
  await stopLab(lab, state, io);
  io.out(
    running
      ? `The lab is stopped; \`${commandName(io.env)} lab up\` goes on from here.\n`
      : 'The lab was not running.\n',
  );
}

/** Runs `work` on the lab's state while no other command changes it. */
async function changing(lab: string, io: LabIo, work: (state: LabState) => Promise<number>): Promise<number> {
  theLab(lab);
  return await withLabLock(lab, io, () => work(theLab(lab)));
}

function theLab(lab: string): LabState {
  const state = readLab(lab);
  if (state === undefined)
    throw new FlotillaError('not-found', `there is no lab in ${lab}; start one: fleetctl lab up`);
  return state;
}

function number(
  text: string | boolean | readonly string[] | undefined,
  flag: string,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new FlotillaError('usage', `${flag}: ${text} is not a whole number from ${min} to ${max}`);
  return value;
}
