import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { mayHold } from '../held-files.ts';

const BATCH = 32;
/** Bytes read after the end of a process before its exit is reported; the rest follows later. */
const MAX_DRAIN_BYTES = 1 << 20;

/**
 * FIFOs that carry units' output to the log. A named pipe, open for reading and writing on the unit's side, outlives
 * this process without SIGPIPE or EPIPE for the writer, and the next supervisor opens it again by name.
 */
export class Fifos {
  readonly #directory: string;
  readonly #free: string[] = [];
  #next = 0;
  // Shared by all pipes: a reader takes all it needs before it returns.
  readonly #buffer = Buffer.allocUnsafe(64 * 1024);

  /** `used` are the names of FIFOs that units still write to. */
  constructor(directory: string, used: ReadonlySet<string>) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const { name } = entry;
      this.#next = Math.max(this.#next, Number(name) + 1 || 0);
      if (used.has(name)) continue;
      if (entry.isFIFO()) this.#free.push(name);
      else rmSync(join(directory, name), { recursive: true, force: true });
    }
  }

  /** Returns the name of an unused FIFO. Throws when none can be made. */
  take(): string {
    if (this.#free.length === 0) this.#make();
    return this.#free.pop()!;
  }

  /** Returns a FIFO that no process has written to. */
  giveBack(name: string): void {
    this.#free.push(name);
  }

  /** Opens a descriptor for the writing process; the caller closes it once that process runs. */
  openWriter(name: string): number {
    return openSync(join(this.#directory, name), constants.O_RDWR);
  }

  /**
   * Opens a descriptor for `read`. Open it before the writer ends: a FIFO that no process has open loses its contents.
   * Throws when this process has too few descriptors left.
   */
  openReader(name: string): number {
    const fd = openSync(join(this.#directory, name), constants.O_RDONLY | constants.O_NONBLOCK);
    if (mayHold(fd)) return fd;
    closeSync(fd);
    throw new Error('the supervisor has too few file descriptors (see ulimit -n)');
  }

  /** Reads until the last writer has closed; the FIFO is unused again after `ended`. */
  read(name: string, fd: number, sink: FifoSink): FifoReader {
    return new FifoReader(fd, this.#buffer, {
      data: sink.data,
      ended: () => {
        this.#free.push(name);
        sink.ended();
      },
    });
  }

  /** Makes many at once by mkfifo(1), since Node has no such call. */
  #make(): void {
    const names = Array.from({ length: BATCH }, () => String(this.#next++));
    const { status, stderr, error } = spawnSync('mkfifo', ['-m', '600', ...names], { cwd: this.#directory });
    if (status !== 0) throw new Error(`mkfifo failed: ${error?.message ?? stderr.toString().trim()}`);
    this.#free.push(...names);
  }
}

export interface FifoSink {
  /** `bytes` are valid only during the call. */
  data(bytes: Buffer): void;
  ended(): void;
}

export class FifoReader {
  readonly #fd: number;
  readonly #sink: FifoSink;
  readonly #buffer: Buffer;
  readonly #socket: Socket;
  #open = true;

  constructor(fd: number, buffer: Buffer, sink: FifoSink) {
    this.#fd = fd;
    this.#sink = sink;
    this.#buffer = buffer;
    const onread = {
      buffer,
      callback: (length: number) => {
        if (length > 0) sink.data(buffer.subarray(0, length));
        return true;
      },
    };
    this.#socket = new Socket({ fd, readable: true, writable: false, onread });
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => this.#close());
    this.#socket.resume();
  }

  /** Reads the bytes written so far, so that they stand in the log before the message about the writer's end. */
  drain(): void {
    // Once the socket is destroyed its descriptor number may belong to another file.
    for (let total = 0; !this.#socket.destroyed && total < MAX_DRAIN_BYTES; ) {
      let length: number;
      try {
        length = readSync(this.#fd, this.#buffer, 0, this.#buffer.length, null);
      } catch {
        return;
      }
      if (length === 0) return;
      this.#sink.data(this.#buffer.subarray(0, length));
      total += length;
    }
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#sink.ended();
  }
}
