import type { FlagSpec } from './flags.ts';

/** Flags with the same meaning in several commands. */

export const FULL: FlagSpec = { name: 'full', short: 'l', kind: 'bool', about: 'Do not shorten ids and hashes' };

export const NO_LEGEND: FlagSpec = { name: 'no-legend', kind: 'bool', about: 'Do not print the column headings' };

export const OUTPUT: FlagSpec = {
  name: 'output',
  short: 'o',
  kind: 'text',
  value: 'FORMAT',
  default: 'table',
  choices: ['table', 'json'],
  about: 'table, or json for programs',
};

/** The `-o` of a list with more columns than it shows by default. */
export const LIST_OUTPUT: FlagSpec = {
  ...OUTPUT,
  choices: ['table', 'wide', 'json'],
  about: 'table, wide with all columns, or json for programs',
};

export const REPLACE: FlagSpec = {
  name: 'replace',
  kind: 'bool',
  about: 'Replace a unit that differs from the local file',
};

const NO_BLOCK: FlagSpec = { name: 'no-block', kind: 'bool', about: 'Do not wait until it is done' };

const BLOCK_ATTEMPTS: FlagSpec = {
  name: 'block-attempts',
  kind: 'count',
  value: 'N',
  about: 'Wait half a second N times at most, for ever with 0; without it until --timeout',
};

export const NO_WAIT_HEALTHY: FlagSpec = {
  name: 'no-wait-healthy',
  kind: 'bool',
  about: 'Do not wait until the services of the units pass their checks',
};

export const TIMEOUT: FlagSpec = {
  name: 'timeout',
  kind: 'duration',
  value: 'TIME',
  default: '5m',
  about: 'Give up waiting after this long (30 is seconds; 1m30s, 500ms)',
};

export const MACHINE: FlagSpec = {
  name: 'machine',
  kind: 'text',
  value: 'MACHINE',
  about: 'Ask this machine only: its name, IP or beginning of its id',
  offers: 'machines',
};

export const SIGN: FlagSpec = {
  name: 'sign',
  kind: 'bool',
  about: 'Signed units are gone',
  deprecated: {},
};

export const SSH_PORT: FlagSpec = {
  name: 'ssh-port',
  kind: 'count',
  value: 'PORT',
  default: '22',
  about: 'Not used: status and journal come through the API',
  deprecated: {},
};

export const WAITING: readonly FlagSpec[] = [NO_BLOCK, BLOCK_ATTEMPTS, TIMEOUT];

/** Makes the `--fields` flag of a list command. */
export function fieldsFlag(defaults: string, fields: readonly string[]): FlagSpec {
  return {
    name: 'fields',
    kind: 'text',
    value: 'A,B',
    default: defaults,
    about: `Columns to print, of ${fields.join(',')}`,
    offers: fields,
  };
}
