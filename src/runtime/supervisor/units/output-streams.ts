import { closeSync, constants, openSync } from 'node:fs';
import { messageOf } from '../../../lib/index.ts';
import { LineBuffer, type LogStream, type LogWriter } from '../journal/index.ts';
import { type FifoReader, type Fifos, LaunchFailure } from '../process/index.ts';
import type { ExecContext, Output } from '../spec/index.ts';
import type { OpenStream } from './unit-memory.ts';

/** Descriptors for a process about to be started; `attach` reads what it writes, `close` gives up our ends. */
export interface Stdio {
  readonly stdout: number | 'ignore';
  readonly stderr: number | 'ignore';
  /** What will be read, of a process that has no pid yet (0). */
  readonly streams: readonly OpenStream[];
  attach(pid: number): readonly OpenStream[];
  /** FIFOs stay readable by name; the descriptors here are the process's only. */
  close(): void;
}

/** The ways from a unit's processes to its log. */
export class OutputStreams {
  readonly #fifos: Fifos;
  readonly #writer: LogWriter;
  readonly #onEnd: (fifo: string) => void;
  readonly #readers = new Map<
    string,
    { readonly pid: number; readonly lines: LineBuffer; readonly reader: FifoReader }
  >();

  constructor(fifos: Fifos, writer: LogWriter, onEnd: (fifo: string) => void) {
    this.#fifos = fifos;
    this.#writer = writer;
    this.#onEnd = onEnd;
  }

  /**
   * Opens both outputs. Where both go to the log they share one FIFO, as they share one stream under systemd: it keeps
   * the order of what was printed. Throws LaunchFailure when a file cannot be opened.
   */
  open(context: ExecContext, identifier: string): Stdio {
    const opened: OpenFifo[] = [];
    const files: number[] = [];
    const open = (output: Output, stream: LogStream): number | 'ignore' => {
      if (output.to === 'journal') return this.#openFifo(stream, opened);
      if (!('path' in output)) return 'ignore';
      const fd = openFile(output, stream);
      files.push(fd);
      return fd;
    };
    const close = () => {
      for (const fd of [...files, ...opened.map((one) => one.writer)]) closeSync(fd);
    };
    const [stdout, stderr] = this.#openBoth(context, open, () => {
      close();
      for (const { fifo, reader } of opened) {
        closeSync(reader);
        this.#fifos.giveBack(fifo);
      }
    });
    const streamOf = ({ fifo, stream }: OpenFifo, pid: number): OpenStream => ({ fifo, stream, pid, identifier });
    return {
      stdout,
      stderr,
      streams: opened.map((one) => streamOf(one, 0)),
      attach: (pid) =>
        opened.map((one) => {
          const attached = streamOf(one, pid);
          this.#read(attached, one.reader);
          return attached;
        }),
      close,
    };
  }

  #openBoth<T>(
    { stdout, stderr }: ExecContext,
    open: (output: Output, stream: LogStream) => T,
    undo: () => void,
  ): readonly [T, T] {
    try {
      const first = open(stdout, 'stdout');
      return [first, sharesStdout(stdout, stderr) ? first : open(stderr, 'stderr')];
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** Goes on reading what an earlier supervisor process had begun to read. */
  resume(stream: OpenStream): void {
    try {
      this.#read(stream, this.#fifos.openReader(stream.fifo));
    } catch (error) {
      this.#reportUnheard(error);
      this.#onEnd(stream.fifo);
    }
  }

  /** Lets others have a FIFO that was meant for a process which never came to be. */
  giveBack({ fifo }: OpenStream): void {
    this.#fifos.giveBack(fifo);
  }

  /** Reads a FIFO into the log until its last writer is gone. */
  #read({ fifo, stream, pid, identifier }: OpenStream, fd: number): void {
    const lines = new LineBuffer((payload) => this.#writer.append(stream, pid, identifier, payload));
    const reader = this.#fifos.read(fifo, fd, {
      data: (bytes) => lines.push(bytes),
      ended: () => {
        lines.end();
        this.#readers.delete(fifo);
        this.#onEnd(fifo);
      },
    });
    this.#readers.set(fifo, { pid, lines, reader });
  }

  /**
   * Takes over what a process that has just ended had written. Its last line ends there, also without a newline and where
   * others still hold the FIFO, if only a process between fork and exec: journald breaks lines where the process changes.
   */
  drain(pid: number): void {
    for (const { pid: writer, reader, lines } of this.#readers.values()) {
      if (writer !== pid) continue;
      reader.drain();
      lines.end();
    }
  }

  #openFifo(stream: LogStream, opened: OpenFifo[]): number | 'ignore' {
    let fifo: string | undefined;
    let reader: number | undefined;
    try {
      fifo = this.#fifos.take();
      reader = this.#fifos.openReader(fifo);
      const writer = this.#fifos.openWriter(fifo);
      opened.push({ fifo, stream, reader, writer });
      return writer;
    } catch (error) {
      if (reader !== undefined) closeSync(reader);
      if (fifo !== undefined) this.#fifos.giveBack(fifo);
      this.#reportUnheard(error);
      return 'ignore';
    }
  }

  /** A unit that cannot be heard still runs: neither a full disk nor a lack of descriptors must stop it. */
  #reportUnheard(error: unknown): void {
    const reason = `Output is not logged: ${messageOf(error)}`;
    this.#writer.append('supervisor', process.pid, 'fleetd', Buffer.from(reason));
  }
}

interface OpenFifo {
  readonly fifo: string;
  readonly stream: LogStream;
  readonly reader: number;
  readonly writer: number;
}

function sharesStdout(stdout: Output, stderr: Output): boolean {
  if (stderr.to === 'inherit') return true;
  return stderr.to === stdout.to && (!('path' in stdout) || ('path' in stderr && stderr.path === stdout.path));
}

/** `file:` writes over what is there from its beginning. */
const WRITE_FROM_START = constants.O_WRONLY | constants.O_CREAT;
const OPEN_FLAGS: Readonly<Record<string, string>> = { append: 'a', truncate: 'w' };

function openFile(output: Output & { readonly path: string }, stream: LogStream): number {
  try {
    return openSync(output.path, OPEN_FLAGS[output.to] ?? WRITE_FROM_START, 0o666);
  } catch (error) {
    const { code, path = output.path } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'No such file or directory' : code === 'EACCES' ? 'Permission denied' : code;
    throw new LaunchFailure(stream === 'stdout' ? 'STDOUT' : 'STDERR', `${reason} (${path})`);
  }
}
