import { isGlob, isPattern, matchesGlob, type Needs, NO_NEEDS } from '../model/index.ts';
import { FLEET_OPTIONS, type FleetOptionName as Key } from './option-table.ts';
import { awaitsInstance, MAX_VALUE_CHARS, wordsOf } from './specifiers.ts';
import type { UnitOption, UnitProblem } from './unit-file.ts';
import { unitNameProblem } from './unit-name.ts';

/** Maps each accepted spelling of an [X-Fleet] option to its current name. */
const SPELLINGS: ReadonlyMap<string, Key> = new Map(
  (Object.keys(FLEET_OPTIONS) as Key[]).flatMap((key) =>
    [key, ...FLEET_OPTIONS[key].legacy].map((spelling): [string, Key] => [spelling, key]),
  ),
);

/** Pairs of options that one unit must not combine, because they contradict each other or have no meaning together. */
const EXCLUSIVE: readonly (readonly [Key, Key])[] = [
  ['MachineID', 'MachineOf'],
  ['MachineID', 'Conflicts'],
  ['MachineID', 'Global'],
  ['MachineID', 'Replaces'],
  ['Global', 'MachineOf'],
  ['Global', 'Replaces'],
  ['Conflicts', 'Replaces'],
  ['RunOnce', 'Global'],
];

/**
 * Reads the needs of a unit: its [X-Fleet] section with legacy spellings, quoting and specifiers (%n %N %p %i)
 * resolved. `lines` are those of parseUnitFile, for the problems' line numbers. Never throws; needs with an error among
 * the problems must not be used.
 */
export function readNeeds(
  name: string,
  options: readonly UnitOption[],
  lines: readonly number[] = [],
): { needs: Needs; problems: UnitProblem[] } {
  const reader = new NeedsReader(name);
  options.forEach((option, i) => {
    if (option.section === 'X-Fleet') reader.read(option, lines[i] ?? 0);
    else reader.checkSection(option.section, lines[i] ?? 0);
  });
  reader.checkCombinations();
  return { needs: { ...reader.needs, metadata: Object.fromEntries(reader.metadata) }, problems: reader.problems };
}

/** Limits for the words of a list and the characters of a word: each is compared with every unit of the cluster. */
const MAX_WORDS = 128;
const MAX_WORD_CHARS = 1024;
/** Limit for words with wildcards: the leader keeps the set of matching units for each of them. */
const MAX_PATTERNS = 32;

/** Needs while they are being gathered. */
type GrowingNeeds = { -readonly [K in keyof Needs]: Needs[K] } & {
  machineOf: string[];
  conflicts: string[];
  replaces: string[];
};

class NeedsReader {
  readonly problems: UnitProblem[] = [];
  readonly metadata = new Map<string, string[]>();
  readonly needs: GrowingNeeds = {
    ...NO_NEEDS,
    machineOf: [],
    conflicts: [],
    replaces: [],
  };
  readonly #name: string;
  readonly #firstLine = new Map<Key, number>();
  readonly #strange = new Set<string>();
  readonly #wordCounts = new Map<Key, number>();
  readonly #patterns = new Set<string>();
  #bootId = false;

  constructor(name: string) {
    this.#name = name;
  }

  read(option: UnitOption, line: number): void {
    const key = SPELLINGS.get(option.name);
    if (key === undefined) {
      this.#warn(line, `unknown option ${option.name}= in [X-Fleet] is ignored`);
      return;
    }
    const values = this.#words(key, option.value, line);
    if (values === undefined || (values.length === 0 && key !== 'Global')) return;
    if (!this.#firstLine.has(key)) this.#firstLine.set(key, line);
    const known = this.problems.length;
    this.#readers[key](values, line, option.name);
    if (awaitsInstance(this.#name, option.value)) this.problems.length = known;
  }

  /** Splits a value into words; undefined when they exceed the limit, which is reported once for each key. */
  #words(key: Key, value: string, line: number): string[] | undefined {
    const before = this.#wordCounts.get(key) ?? 0;
    if (before > MAX_WORDS) return undefined;
    const words = wordsOf(this.#name, value);
    const isModest = words?.every((word) => word.length <= MAX_WORD_CHARS);
    const count = words && isModest ? before + words.length : Number.POSITIVE_INFINITY;
    this.#wordCounts.set(key, count);
    if (count <= MAX_WORDS) return words;
    const limits = `at most ${MAX_WORDS} words of ${MAX_WORD_CHARS} characters, ${MAX_VALUE_CHARS} characters in a value`;
    this.#error(line, `${key}= says more than is looked at (${limits}): use fewer words, or globs`);
    return undefined;
  }

  readonly #readers: Readonly<Record<Key, (values: string[], line: number, spelling: string) => void>> = {
    MachineID: ([id], line, spelling) => this.#readMachineId(id!, line, spelling),
    MachineOf: (values, line) => this.#readMachineOf(values, line),
    MachineMetadata: (values, line) => this.#readMetadata(values, line),
    Conflicts: (values, line) => this.#readGlobs('Conflicts', this.needs.conflicts, values, line),
    Replaces: (values, line) => this.#readGlobs('Replaces', this.needs.replaces, values, line),
    Global: (values) => {
      this.needs.global = /^(true|yes|1|on|t)$/i.test(values.join(' '));
    },
    OnPartition: (values, line) => this.#readOnPartition(values.join(' '), line),
    RunOnce: (values, line) => this.#readRunOnce(values.join(' '), line),
  };

  /** The first value counts, and MachineID takes precedence over MachineBootID, as in fleet. */
  #readMachineId(id: string, line: number, spelling: string): void {
    const bootId = spelling === 'X-ConditionMachineBootID';
    const wins = this.needs.machineId === undefined || (this.#bootId && !bootId);
    if (!wins && this.needs.machineId !== id) {
      this.#warn(line, `${spelling}=${id} is ignored: the unit names machine ${this.needs.machineId} already`);
    }
    if (!wins) return;
    this.needs.machineId = id;
    this.#bootId = bootId;
  }

  #readMachineOf(names: string[], line: number): void {
    for (const name of names) {
      const problem = unitNameProblem(name);
      if (problem !== undefined) this.#error(line, `MachineOf=${name} names no unit: ${problem}`);
      addTo(this.needs.machineOf, name);
    }
  }

  #readMetadata(pairs: string[], line: number): void {
    for (const pair of pairs) {
      const equals = pair.indexOf('=');
      const key = pair.slice(0, Math.max(equals, 0)).trim();
      const value = pair.slice(equals + 1).trim();
      if (key === '' || value === '') {
        this.#warn(line, `MachineMetadata=${pair} is not "key=value" and is ignored`);
        continue;
      }
      const values = this.metadata.get(key) ?? [];
      addTo(values, value);
      this.metadata.set(key, values);
    }
  }

  #readGlobs(key: Key, into: string[], globs: string[], line: number): void {
    for (const glob of globs) {
      if (isPattern(glob) && this.#patterns.add(glob).size === MAX_PATTERNS + 1) {
        this.#error(line, `${key}= has more than ${MAX_PATTERNS} words with wildcards: use fewer that match more`);
      }
      if (this.#patterns.size > MAX_PATTERNS) return;
      if (!isGlob(glob)) this.#warn(line, `${key}=${glob} is a malformed glob and matches no unit`);
      addTo(into, glob);
    }
  }

  #readOnPartition(value: string, line: number): void {
    if (value === 'keep' || value === 'stop') this.needs.onPartition = value;
    else this.#error(line, `OnPartition=${value} is neither "keep" nor "stop"`);
  }

  /** Accepts the booleans of systemd.syntax(7); the last value counts. */
  #readRunOnce(value: string, line: number): void {
    delete this.needs.runOnce;
    if (!/^(1|yes|y|true|t|on|0|no|n|false|f|off)$/i.test(value)) {
      this.#error(line, `RunOnce=${value} is neither "true" nor "false"`);
    } else if (/^(1|yes|y|true|t|on)$/i.test(value)) {
      this.needs.runOnce = true;
      if (!this.#name.endsWith('.service')) this.#error(line, `RunOnce is for services: ${this.#name} has no end`);
    }
  }

  /** Warn about a misspelt section name, which systemd would ignore without a word. */
  checkSection(section: string, line: number): void {
    if (section.toLowerCase().replace(/[^a-z]/g, '') === 'xfleet') {
      const known = this.#strange.has(section);
      this.#strange.add(section);
      if (!known) this.#warn(line, `section [${section}] is ignored: did you mean [X-Fleet]?`);
    }
  }

  checkCombinations(): void {
    const { needs } = this;
    const present: Record<Key, boolean> = {
      MachineID: needs.machineId !== undefined,
      MachineOf: needs.machineOf.length > 0,
      MachineMetadata: this.metadata.size > 0,
      Conflicts: needs.conflicts.length > 0,
      Global: needs.global,
      Replaces: needs.replaces.length > 0,
      OnPartition: needs.onPartition !== 'keep',
      RunOnce: needs.runOnce === true,
    };
    for (const [a, b] of EXCLUSIVE) {
      if (present[a] && present[b]) this.#error(this.#lineOf(a, b), `${a} cannot be combined with ${b}: remove one`);
    }
    this.#checkMachineOfAgainst('Conflicts', needs.conflicts);
    this.#checkMachineOfAgainst('Replaces', needs.replaces);
  }

  #checkMachineOfAgainst(key: Key, globs: readonly string[]): void {
    for (const name of this.needs.machineOf) {
      const glob = globs.find((candidate) => matchesGlob(candidate, name));
      if (glob === undefined) continue;
      const message = `MachineOf=${name} contradicts ${key}=${glob}: the unit must be with ${name} and cannot be`;
      this.#error(this.#lineOf('MachineOf', key), message);
    }
  }

  #lineOf(a: Key, b: Key): number {
    return Math.max(this.#firstLine.get(a) ?? 0, this.#firstLine.get(b) ?? 0);
  }

  #error(line: number, message: string): void {
    this.problems.push({ line, message, severity: 'error' });
  }

  #warn(line: number, message: string): void {
    this.problems.push({ line, message, severity: 'warning' });
  }
}

function addTo(list: string[], value: string): void {
  if (!list.includes(value)) list.push(value);
}
