import { createHash, createHmac } from 'node:crypto';
import {
  closeSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FlotillaError,
  isInTheWay,
  makePrivateDirectory,
  makeStateDirectory,
  type Random,
  readStateFile,
  replaceStateFile,
  systemReason,
} from '../../lib/index.ts';
import { type ProcessId, readBootMark } from './process/index.ts';
import { readMemory, type UnitMemory, unknownMemory } from './units/index.ts';

/**
 * The files of one machine's supervisor:
 *
 *   lock-key, supervisor.pid   what the lock's names are made of, and who took it last.
 *   run/      what is true until the next boot, as /run under systemd: the boot it belongs to, units/ (the unit files),
 *             memory/ (what each unit knows of itself), fifo/, the socket. Written by the supervisor process.
 *   log/      logs of units; they stay over a boot.
 */
export class SupervisorDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get run(): string {
    return join(this.path, 'run');
  }

  get fifos(): string {
    return join(this.run, 'fifo');
  }

  /**
   * Where units say how they are. Those of other users (User=) must come there as well, which they cannot within a directory
   * that is closed to them, nor does a long path fit into a socket's address. Nobody outside can guess the name.
   */
  notifySockets(random: Random): string {
    const own = process.getuid!();
    const name = createHmac('sha256', this.#lockKey(random)).update('notify').digest('hex').slice(0, 32);
    const inside = join(this.run, 'notify', name);
    if (own === 0) return join('/run/flotilla-notify', name);
    return inside.length <= MAX_NOTIFY_PATH ? inside : join(tmpdir(), `flotilla-notify-${own}`, name);
  }

  get socket(): string {
    return join(this.run, 'socket');
  }

  /** Names the process that has taken the lock. */
  get #holder(): string {
    return join(this.path, 'supervisor.pid');
  }

  writeHolder(id: ProcessId): void {
    replaceFile(this.#holder, JSON.stringify({ ...id, boot: readBootMark() }));
  }

  /** The process that took the lock last, in this boot; it may have ended. */
  readHolder(): ProcessId | undefined {
    const holder = parse<ProcessId & { readonly boot: string }>(readText(this.#holder));
    return holder?.boot === readBootMark() ? holder : undefined;
  }

  /** Names nobody outside can guess, nor one by another; the same for every process which opens this directory. */
  lockNames(random: Random): readonly string[] {
    const key = this.#lockKey(random);
    const nameOf = (number: number) => createHmac('sha256', key).update(String(number)).digest('hex').slice(0, 32);
    return Array.from({ length: LOCK_NAMES }, (_, number) => `flotilla/supervisor/${nameOf(number)}`);
  }

  /** Throws where there is no key yet and no room for one, and where a key is there from which anybody could make the names. */
  #lockKey(random: Random): Buffer {
    const path = join(this.path, 'lock-key');
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
      // Written elsewhere first: on a full disk an empty key would stay, from which anybody can make the names.
      const draft = `${path}.${random.hex(8)}`;
      try {
        writeFileSync(draft, random.hex(32), { mode: 0o600, flag: 'wx' });
        linkSync(draft, path);
      } catch (error) {
        // Another process was faster.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      } finally {
        rmSync(draft, { force: true });
      }
    }
    return readKey(path);
  }

  /** Throws FlotillaError `damaged` where there is a key that cannot be used. */
  checkLockKey(): void {
    const path = join(this.path, 'lock-key');
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) readKey(path);
  }

  /** For when no supervisor is there: none can come while its key is damaged. */
  removeDamagedKey(): void {
    try {
      this.checkLockKey();
    } catch {
      rmSync(join(this.path, 'lock-key'), { recursive: true, force: true });
    }
  }

  /** Where the supervisor process itself writes what does not belong into a unit's log. */
  get ownLog(): string {
    return join(this.path, 'supervisor.log');
  }

  get #logs(): string {
    return join(this.path, 'log');
  }

  get #units(): string {
    return join(this.run, 'units');
  }

  get #memory(): string {
    return join(this.run, 'memory');
  }

  unitFile(unit: string): string {
    return join(this.#units, fileNameOf(unit));
  }

  #record(unit: string): string {
    return join(this.#memory, fileNameOf(unit));
  }

  logDirectory(unit: string): string {
    return join(this.#logs, fileNameOf(unit));
  }

  get bootFile(): string {
    return join(this.run, 'boot');
  }

  /**
   * Makes what is missing, and empties what belongs to an earlier boot: its processes are gone. Both run/boot and the holder's
   * file name the boot. Where neither names this one, nor both the same, what `running` returns decides, the names of units
   * with processes: to forget those would start second copies, to keep units of an earlier boot would leave them stopped.
   * Returns `damaged` when run/boot was, and what belongs to this boot was kept.
   */
  open(running: () => readonly string[] = () => []): 'whole' | 'damaged' {
    makePrivateDirectory(this.path);
    const mark = readBootMark();
    const told = readText(this.bootFile);
    const toldByHolder = parse<{ readonly boot?: unknown }>(readText(this.#holder))?.boot;
    const isEarlier = told !== mark && toldByHolder !== mark && Boolean(told) && told === toldByHolder;
    const lost = told === mark || isEarlier ? [] : running();
    const isKept = told === mark || toldByHolder === mark || lost.length > 0;
    if (!isKept) this.#emptyRun();
    for (const path of [this.run, this.#units, this.#memory, this.fifos]) makeStateDirectory(path);
    if (told !== mark) replaceFile(this.bootFile, mark);
    const known = this.#fileNames();
    // An empty record is as good as a damaged one.
    for (const unit of lost) if (!known.includes(fileNameOf(unit))) replaceFile(this.#record(unit), '');
    return told !== mark && this.#fileNames().length > 0 ? 'damaged' : 'whole';
  }

  /** Everything true until the next boot goes, as it does when a machine loses its power. */
  forgetRun(random: Random): void {
    rmSync(this.notifySockets(random), { recursive: true, force: true });
    this.#emptyRun();
  }

  /** In one step: a part of the units would be taken for all of them. */
  #emptyRun(): void {
    const gone = `${this.run}~`;
    rmSync(gone, { recursive: true, force: true });
    if (lstatSync(this.run, { throwIfNoEntry: false }) === undefined) return;
    renameSync(this.run, gone);
    rmSync(gone, { recursive: true, force: true });
  }

  /**
   * The units of this boot, with their files' text. What cannot be read of a unit is `lost`: as the name of its file. The unit
   * is then one to be stopped, of no known hash, so that the agent loads it again.
   */
  readUnits(): HeldUnit[] {
    return this.#fileNames().map((file) => {
      const record = join(this.#memory, file);
      const known = readMemory(readText(record)?.split('\n', 1)[0] ?? '');
      const isKnown = known !== undefined && fileNameOf(known.name) === file;
      const memory = isKnown ? known : unknownMemory(file);
      const text = readText(this.unitFile(memory.name));
      if (text === undefined)
        return { memory: { ...memory, hash: '', job: 'stop' }, text: STAND_IN, lost: this.unitFile(memory.name) };
      return { memory, text, ...(isKnown ? {} : { lost: record }) };
    });
  }

  /** A unit of which only one file is left is damaged too. */
  #fileNames(): readonly string[] {
    return [...new Set([...readNames(this.#memory), ...readNames(this.#units)])];
  }

  /** Puts files in the place of what cannot be read, whatever that is. */
  mend({ memory, text }: HeldUnit): void {
    for (const path of [this.unitFile(memory.name), this.#record(memory.name)])
      rmSync(path, { recursive: true, force: true });
    this.writeUnitFile(memory.name, text);
    this.writeMemory(memory);
  }

  /**
   * Whole or not at all, if this process is killed at any moment: one write over what is there, which ends the line.
   * A whole block, so that the next write fits also when the disk is full by then. (Putting a new file in place of the
   * old one costs a flush on ext4, and nothing here has to outlive the computer.) What takes more than a block has to be
   * put in its place all the same: the kernel may end a killed process's write after any of them.
   */
  writeMemory(memory: UnitMemory): void {
    const text = `${JSON.stringify(memory)}\n`;
    const path = this.#record(memory.name);
    try {
      if (Buffer.byteLength(text) > BLOCK_BYTES) replaceFile(path, text);
      else overwriteFile(path, text.padEnd(BLOCK_BYTES - (Buffer.byteLength(text) - text.length)));
    } catch (error) {
      if (!isInTheWay(error)) throw error;
      replaceFile(path, text);
    }
  }

  writeUnitFile(unit: string, text: string): void {
    replaceFile(this.unitFile(unit), text);
  }

  removeUnit(unit: string): void {
    remove(this.#record(unit));
    remove(this.unitFile(unit));
  }

  /** Keeps the logs of units held here and of the `keep` units that were written to last. */
  pruneLogs(held: ReadonlySet<string>, keep: number): void {
    const heldFiles = new Set([...held].map(fileNameOf));
    const others = readNames(this.#logs)
      .filter((file) => !heldFiles.has(file))
      .map((file) => ({ path: join(this.#logs, file), at: lstatSync(join(this.#logs, file)).mtimeMs }));
    others.sort((a, b) => b.at - a.at);
    for (const { path } of others.slice(keep)) rmSync(path, { recursive: true, force: true });
  }
}

export interface HeldUnit {
  readonly memory: UnitMemory;
  readonly text: string;
  readonly lost?: string;
}

/** A unit whose file is lost can be stopped by the way that all units share. */
const STAND_IN = '[Service]\nExecStart=/bin/false\n';

/** As many runs of a supervisor as a stranger has to watch before none of its names is left. */
const LOCK_NAMES = 64;
const BLOCK_BYTES = 4096;
/** Neither through a link nor waiting for the reader of a FIFO. */
const OVERWRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** A socket's address takes 107 bytes, of which its own name in the directory takes 25. */
const MAX_NOTIFY_PATH = 82;

function overwriteFile(path: string, text: string): void {
  const bytes = Buffer.from(text);
  const fd = openSync(path, OVERWRITE, 0o600);
  try {
    if (writeSync(fd, bytes, 0, bytes.length, 0) !== bytes.length) throw new Error('the disk is full');
  } finally {
    closeSync(fd);
  }
}

function replaceFile(path: string, text: string): void {
  replaceStateFile(path, text, { draft: `${path}~` });
}

/** A damaged key is not replaced: a supervisor may hold names of the one before, and a second would run beside it. */
function readKey(path: string): Buffer {
  let because = 'it is damaged';
  try {
    const key = readStateFile(path);
    if (/^[0-9a-f]{64}$/.test(key)) return Buffer.from(key);
  } catch (error) {
    because = systemReason(error);
  }
  const remedy = 'end the `fleetd supervisor` of this directory if one runs, then remove the file';
  throw new FlotillaError('damaged', `cannot use ${path}: ${because}; ${remedy}`);
}

function parse<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text.split('\n', 1)[0]!) as T);
  } catch {
    return undefined;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !name.endsWith('~'));
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readStateFile(path);
  } catch {
    return undefined;
  }
}

/** A unit's name may be longer than a file's. */
function fileNameOf(unit: string): string {
  return unit.length <= 200 ? unit : `${createHash('sha256').update(unit).digest('hex')}.long`;
}
