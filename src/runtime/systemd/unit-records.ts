import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hashUnit, parseUnitFile, unitNameProblem } from '../../unitfile/index.ts';

/** What has to be known of a unit beyond its file, kept beside it. */
export interface UnitRecord {
  readonly hash: string;
  readonly launched: boolean;
}

interface StoredRecord extends UnitRecord {
  /** Identity of the file as it was written: another one says that somebody has changed it. */
  readonly fileHash: string;
  /** The boot in which it was linked: links are gone after the next. */
  readonly boot: string;
}

const RECORDS = '.flotilla';
const UNFINISHED = '.unfinished';

/** The unit files of this machine in the units directory, and a record for each in a hidden directory of it. */
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

  /** What stands in a unit's file, '' when it is not there. */
  textOf(name: string): string {
    return readIfThere(this.fileOf(name));
  }

  /** The units an earlier fleetd of this boot has left. Files without a record are not ours and are let be. */
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

  /** Puts a unit's file in place, all of it or nothing. */
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

  /** True from `begin` to `finish`, also for a fleetd that comes after one which was killed between them. */
  get unfinished(): boolean {
    return readIfThere(path.join(this.#directory, RECORDS, UNFINISHED)) !== '';
  }

  /** Files and links are about to change, and systemd has to be told to read them. */
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
