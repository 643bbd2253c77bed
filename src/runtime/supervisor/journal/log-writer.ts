import { closeSync, fstatSync, ftruncateSync, openSync, renameSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, makeStateDirectory, removeUnlessFile } from '../../../lib/index.ts';
import { mayHold } from '../held-files.ts';
import { soundLength } from './log-file.ts';
import { countEntries, encodeRecord, type LogStream, totalLength } from './record.ts';

/** The file in use, and the rotated one. */
export const CURRENT_LOG = 'current';
export const PREVIOUS_LOG = 'previous';

export interface LogWriterOptions {
  readonly clock: Clock;
  /** The size at which the file is rotated; two files are kept. */
  readonly maxFileBytes: number;
}

/**
 * Writes one unit's log. Never throws or waits: on a full disk lines are dropped and counted, and the log states the
 * number as soon as there is room again.
 */
export class LogWriter {
  readonly #directory: string;
  readonly #options: LogWriterOptions;
  #fd: number | undefined;
  #closed = false;
  #size = 0;
  #lost = 0;
  #lossReason = '';

  constructor(directory: string, options: LogWriterOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** `payload` holds one or more lines without the final newline, in one or several pieces. */
  append(stream: LogStream, pid: number, identifier: string, payload: Buffer | readonly Buffer[]): void {
    const pieces = Buffer.isBuffer(payload) ? [payload] : payload;
    const record = { time: this.#options.clock.now(), stream, pid, identifier };
    try {
      // Write the note together with the record: alone, it might just fit, again and again.
      this.#write([...(this.#lost > 0 ? this.#noteOfLoss() : []), ...encodeRecord(record, pieces)]);
      this.#lost = 0;
    } catch (error) {
      this.#lost += countEntries({ ...record, payload: Buffer.concat(pieces) });
      this.#lossReason = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    }
    if (this.#closed || (this.#fd !== undefined && !mayHold(this.#fd))) this.#closeFile();
  }

  /** Keeps no file open from now on; output of a process that outlives its unit is still written. */
  close(): void {
    this.#closed = true;
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #noteOfLoss(): readonly Buffer[] {
    const why = this.#lossReason === 'ENOSPC' ? 'the disk was full' : `writing failed with ${this.#lossReason}`;
    const payload = Buffer.from(`${this.#lost} log lines were dropped: ${why}.`);
    const time = this.#options.clock.now();
    return encodeRecord({ time, stream: 'supervisor', pid: process.pid, identifier: 'fleetd' }, [payload]);
  }

  #write(pieces: readonly Buffer[]): void {
    const length = totalLength(pieces);
    if (this.#fd !== undefined && this.#size > 0 && this.#size + length > this.#options.maxFileBytes) this.#rotate();
    this.#fd ??= this.#open();
    const written = writevSync(this.#fd, pieces);
    if (written !== length) {
      ftruncateSync(this.#fd, this.#size);
      throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
    }
    this.#size += written;
  }

  #open(): number {
    makeStateDirectory(this.#directory);
    const file = join(this.#directory, CURRENT_LOG);
    // What is no file cannot be read again, and a FIFO would hold the supervisor up as soon as it is full.
    removeUnlessFile(file);
    const fd = openSync(file, 'a+', 0o600);
    this.#size = fstatSync(fd).size;
    const sound = soundLength(fd, this.#size);
    if (sound !== this.#size) ftruncateSync(fd, sound);
    this.#size = sound;
    return fd;
  }

  #rotate(): void {
    this.#closeFile();
    const previous = join(this.#directory, PREVIOUS_LOG);
    removeUnlessFile(previous);
    renameSync(join(this.#directory, CURRENT_LOG), previous);
  }
}
