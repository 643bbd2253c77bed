import { fstatSync, writeSync } from 'node:fs';
import { FlotillaError, shownText, systemReason } from '../lib/index.ts';

/** What a command may touch of the process it runs in. */
export interface Io {
  /** Results. */
  out(text: string): void;
  /** Warnings, errors and progress. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  inIsTerminal(): boolean;
  outIsTerminal(): boolean;
  /** How wide that terminal is, where that is known. */
  columns?(): number | undefined;
  errIsTerminal(): boolean;
}

/** What commands print to: nothing that comes from outside reaches a terminal as more than text. */
export interface ShownIo extends Io {
  /** For bytes that are the result itself, and for fleetctl's own colours around text that was made fit to be shown. */
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

/** Thrown by `out` when whoever read our output has gone; the command ends quietly. */
export class OutputClosed extends Error {}

/** The process's own streams, written synchronously, so that nothing is lost on exit and nothing is loaded for it. */
export const processIo: Io = {
  out: (text) => writeAll(1, text),
  err: (text) => {
    try {
      writeAll(2, text);
    } catch {
      // Nobody can be told that nobody can be told.
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
      // A pipe which somebody made non-blocking is full: give its reader a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function isTerminal(fd: number): boolean {
  try {
    // Asking for the file's type first spares loading node:tty when output goes to a pipe or a file.
    return (
      fstatSync(fd).isCharacterDevice() &&
      (process.getBuiltinModule('node:tty') as typeof import('node:tty')).isatty(fd)
    );
  } catch {
    return false;
  }
}
