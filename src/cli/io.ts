import { fstatSync, writeSync } from 'node:fs';
import { FlotillaError, shownText, systemReason } from '../lib/index.ts';

/** The parts of its process that a command uses. */
export interface Io {
  /** Prints results. */
  out(text: string): void;
  /** Prints warnings, errors and progress. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  inIsTerminal(): boolean;
  outIsTerminal(): boolean;
  /** The width of that terminal, if known. */
  columns?(): number | undefined;
  errIsTerminal(): boolean;
}

/** The output of commands; untrusted text reaches a terminal as plain text only. */
export interface ShownIo extends Io {
  /** For bytes that are themselves the result, and for fleetctl's own colours around escaped text. */
  readonly raw: Io;
}

export function shownIo(raw: Io): ShownIo {
  return {
    ...raw,
    out: (text) => raw.out(shownText(text)),
    err: (text) => raw.err(shownText(text)),
    raw,
  };
}

/** Thrown by `out` when the reader of our output has gone; the command ends quietly. */
export class OutputClosed extends Error {}

/** The process's own streams, written synchronously: nothing is lost on exit, and no module is loaded for it. */
export const processIo: Io = {
  out: (text) => writeAll(1, text),
  err: (text) => {
    try {
      writeAll(2, text);
    } catch {
      // stderr itself cannot be written: there is no place to report that.
    }
  },
  env: process.env,
  inIsTerminal: () => isTerminal(0),
  outIsTerminal: () => isTerminal(1),
  columns: () => process.stdout.columns,
  errIsTerminal: () => isTerminal(2),
};

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EPIPE') throw new OutputClosed();
      if (code !== 'EAGAIN') {
        throw new FlotillaError('unavailable', `cannot write the output: ${systemReason(error)}`, {}, error);
      }
      // A non-blocking pipe is full: give its reader a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function isTerminal(fd: number): boolean {
  try {
    // Checking the file type first spares loading node:tty when the output is a pipe or a file.
    return (
      fstatSync(fd).isCharacterDevice() &&
      (process.getBuiltinModule('node:tty') as typeof import('node:tty')).isatty(fd)
    );
  } catch {
    return false;
  }
}
