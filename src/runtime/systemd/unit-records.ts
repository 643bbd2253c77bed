import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
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

  constructor(directory: string) {
    this.#directory = path.resolve(directory);
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
   * untouched.
   */
  read(): ReadonlyMap<string, UnitRecord> {
    const found = new Map<string, UnitRecord>();
    for (const name of readdirSync(path.join(this.#directory, RECORDS))) {
      if (unitNameProblem(name) !== undefined) continue;
      const record = this.#readRecord(name);
      if (record === undefined || record.boot !== this.#boot) {
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
    rmSync(this.fileOf(name), { force: true });
    rmSync(this.#recordOf(name), { force: true });
  }

  /** True between `begin` and `finish`, also for the fleetd after one that was killed between them. */
  get unfinished(): boolean {
    return readIfThere(path.join(this.#directory, RECORDS, UNFINISHED)) !== '';
  }

  /** Marks that files and links are about to change and systemd must read them. */
  begin(): void {
    writeFileSync(path.join(this.#directory, RECORDS, UNFINISHED), 'daemon-reload\n');
  }

  finish(): void {
    rmSync(path.join(this.#directory, RECORDS, UNFINISHED), { force: true });
  }

  #recordOf(name: string): string {
    return path.join(this.#directory, RECORDS, name);
  }

  #readRecord(name: string): StoredRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.#recordOf(name), 'utf8')) as StoredRecord;
    } catch {
      return undefined;
    }
  }

  #writeRecord(name: string, record: StoredRecord): void {
    this.#replace(this.#recordOf(name), `${JSON.stringify(record)}\n`);
  }

  #replace(file: string, text: string): void {
    const next = path.join(this.#directory, RECORDS, '.next');
    writeFileSync(next, text);
    renameSync(next, file);
  }
}

function fileHashOf(text: string): string {
  return hashUnit(parseUnitFile(text).options);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
