import { settingProblem } from '../daemon/index.ts';
import { FlotillaError } from '../lib/index.ts';
import type { LabMachine, LabState } from './lab-state.ts';

/** A value given for one machine of the lab or for all: metadata, or a setting of fleetd. */
export interface Given {
  /** The machine's number; absent: all machines. */
  readonly machine?: number;
  readonly key: string;
  /** Empty: removes the value. */
  readonly value: string;
}

/** Settings that a lab needs for itself, with what to use instead, if anything. */
const OWN: ReadonlyMap<string, string> = new Map([
  ['etcd_servers', ''],
  ['etcd_key_prefix', ''],
  ['machine_id', ''],
  ['state_directory', ''],
  ['public_ip', ''],
  ['runtime', ''],
  ['listen', '--port'],
  ['agent_ttl', '--agent-ttl'],
  ['metadata', '--metadata'],
]);

/** Reads `--metadata region=eu,disk=ssd`, for all machines. */
export function readMetadata(text: string): Given[] {
  return text.split(',').map((pair) => readPair('--metadata', pair.trim()));
}

/** Reads `--machine 2:region=us,disk=hdd`: metadata of one machine. */
export function readMachineMetadata(text: string): Given[] {
  const [, number = '', pairs = ''] = /^(\d{1,3}):(.*)$/s.exec(text) ?? [];
  if (number === '') throw usage(`--machine: ${text} is not NUMBER:KEY=VALUE, as in 2:region=us`);
  return pairs.split(',').map((pair) => ({ ...readPair('--machine', pair.trim()), machine: Number(number) }));
}

/** Reads `--set drain_time=5s`, or for one machine `--set 1:dns_listen=127.0.0.1:5353`. */
export function readSetting(text: string): Given {
  const [, number, pair = ''] = /^(?:(\d{1,3}):)?(.*)$/s.exec(text)!;
  const { key, value } = readPair('--set', pair);
  const instead = OWN.get(key);
  if (instead !== undefined)
    throw usage(`--set: the lab chooses ${key} itself${instead === '' ? '' : `: use ${instead}`}`);
  const problem = value === '' ? undefined : settingProblem(key, value);
  if (problem !== undefined) throw usage(`--set: ${problem}`);
  return { key, value, ...(number === undefined ? {} : { machine: Number(number) }) };
}

function readPair(flag: string, text: string): Given {
  const [, key = '', value = ''] = /^([^=\s,]+)\s*=(.*)$/s.exec(text) ?? [];
  if (key === '') throw usage(`${flag}: ${JSON.stringify(text)} is not KEY=VALUE`);
  if (/[\r\n]/.test(text)) throw usage(`${flag}: a value is one line`);
  return { key, value: value.trim() };
}

export interface GivenSettings {
  readonly metadata: readonly Given[];
  readonly settings: readonly Given[];
}

/** Stores the given values in the lab's state. Throws for a machine that the lab does not have. */
export function keepSettings(state: LabState, given: GivenSettings): void {
  for (const kind of ['metadata', 'settings'] as const) {
    for (const { machine: number, key, value } of given[kind]) {
      const target = number === undefined ? state : state.machines.find((machine) => machine.number === number);
      if (target === undefined)
        throw usage(`there is no machine ${number} in the lab, which has ${state.machines.length}`);
      const { [key]: _, ...others } = target[kind] ?? {};
      target[kind] = value === '' ? others : { ...others, [key]: value };
    }
  }
}

/** Returns the given settings of a machine's fleetd; its own take precedence over those of all. */
export function settingsOf(state: LabState, machine: LabMachine): ReadonlyMap<string, string> {
  return new Map(Object.entries({ ...state.settings, ...machine.settings }));
}

/** Formats `region=eu,disk=ssd` for fleet.conf; empty without metadata. */
export function metadataOf(state: LabState, machine: LabMachine): string {
  return Object.entries({ ...state.metadata, ...machine.metadata })
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

function usage(message: string): FlotillaError {
  return new FlotillaError('usage', message);
}
