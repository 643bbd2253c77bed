import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type Log, readStateFile, replaceStateFile, systemReason } from '../../lib/index.ts';
import { hashUnit, parseUnitFile, unitNameProblem } from '../../unitfile/index.ts';

/** The facts about a unit that its file does not contain, kept beside it. */
export interface UnitRecord {
  readonly hash: string;
  readonly launched: boolean;
}

interface StoredRecord extends UnitRecord {
  /** Hash of the file as we wrote it; another one means that somebody has changed the file. */
  readonly fileHash: string;
  /** The boot in which it was linked; the next boot removes links. */
  readonly boot: string;
}

const RECORDS = '.flotilla';
const UNFINISHED = '.unfinished';

/** The unit files of this machine, and a record for each in a hidden subdirectory. */
export class UnitRecords {
  readonly #directory: string;
  readonly #boot: string;

  readonly #log: Log;

  constructor(directory: string, log: Log) {
    this.#directory = path.resolve(directory);
    this.#log = log;
    this.#boot = readIfThere('/proc/sys/kernel/random/boot_id').trim();
    mkdirSync(path.join(this.#directory, RECORDS), { recursive: true });
  }

  fileOf(name: string): string {
    return path.join(this.#directory, name);
  }

  /** Returns the text of a unit's file, '' when it does not exist. */
  textOf(name: string): string {
    return readIfThere(this.fileOf(name));
  }

  /**
   * Lists the units that an earlier fleetd of this boot has left. Files without a record are not ours and stay
   * untouched. A unit with a damaged record gets a hash that no file has: it may run, so the agent stops it and loads it
   * again where it belongs.
   */
  read(): ReadonlyMap<string, UnitRecord> {
    const found = new Map<string, UnitRecord>();
    for (const name of readdirSync(path.join(this.#directory, RECORDS))) {
      if (unitNameProblem(name) !== undefined) continue;
      const record = this.#readRecord(name);
      if (record === undefined) {
        found.set(name, { hash: '', launched: true });
        continue;
      }
      if (record.boot !== this.#boot) {
        this.remove(name);
        continue;
      }
      const fileHash = fileHashOf(readIfThere(this.fileOf(name)));
      const { launched } = record;
      found.set(name, { hash: fileHash === record.fileHash ? record.hash : fileHash, launched });
    }
    return found;
  }

  /** Replaces a unit's file atomically. */
  write(name: string, hash: string, text: string): void {
    this.#replace(this.fileOf(name), text);
    this.#writeRecord(name, { hash, launched: false, fileHash: fileHashOf(text), boot: this.#boot });
  }

  setLaunched(name: string, launched: boolean): void {
    const record = this.#readRecord(name);
    if (record !== undefined && record.launched !== launched) this.#writeRecord(name, { ...record, launched });
  }

  remove(name: string): void {
    for (const file of [this.fileOf(name), this.#recordOf(name)]) rmSync(file, { recursive: true, force: true });
  }

  /** True between `begin` and `finish`, also for the fleetd after one that was killed between them. */
  get unfinished(): boolean {
    return lstatSync(this.#unfinished, { throwIfNoEntry: false }) !== undefined;
  }

  /** Marks that files and links are about to change and systemd must read them. */
  begin(): void {
    this.#replace(this.#unfinished, 'daemon-reload\n');
  }

  finish(): void {
    rmSync(this.#unfinished, { recursive: true, force: true });
  }

  get #unfinished(): string {
    return path.join(this.#directory, RECORDS, UNFINISHED);
  }

  #recordOf(name: string): string {
    return path.join(this.#directory, RECORDS, name);
  }

  #readRecord(name: string): StoredRecord | undefined {
    const file = this.#recordOf(name);
    try {
      const record: unknown = JSON.parse(readStateFile(file));
      if (isRecord(record)) return record;
      throw new Error('it has not the form of a record');
    } catch (error) {
      const sentence = 'Record of a unit damaged: the unit is stopped, and started again where it is to run';
      this.#log.error(sentence, { unit: name, file, error: systemReason(error) });
      return undefined;
    }
  }

  #writeRecord(name: string, record: StoredRecord): void {
    this.#replace(this.#recordOf(name), `${JSON.stringify(record)}\n`);
  }

  #replace(file: string, text: string): void {
    replaceStateFile(file, text, { draft: path.join(this.#directory, RECORDS, '.next'), mode: 0o644 });
  }
}

function isRecord(value: unknown): value is StoredRecord {
  const { hash, launched, fileHash, boot } = (value ?? {}) as Partial<StoredRecord>;
  return typeof launched === 'boolean' && [hash, fileHash, boot].every((text) => typeof text === 'string');
}

function fileHashOf(text: string): string {
  return hashUnit(parseUnitFile(text).options);
}

function readIfThere(file: string): string {
  try {
    return readStateFile(file);
  } catch {
    return '';
  }
}
