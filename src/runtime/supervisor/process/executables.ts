import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';

/** systemd's search path for bare names, and every unit's $PATH unless it sets its own. */
export const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Finds the absolute path of a program; otherwise returns the reason, in the kernel's words, why it cannot be run. */
export function findExecutable(program: string): { readonly path: string } | { readonly problem: string } {
  if (program.includes('/')) {
    const problem = executableProblem(program);
    return problem === undefined ? { path: program } : { problem };
  }
  for (const directory of SEARCH_PATH.split(':')) {
    const path = `${directory}/${program}`;
    if (executableProblem(path) === undefined) return { path };
  }
  return { problem: 'No such file or directory' };
}

function executableProblem(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return 'Permission denied';
    accessSync(path, constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'No such file or directory';
    return code === 'ENOTDIR' ? 'Not a directory' : 'Permission denied';
  }
  return formatProblem(path);
}

/** A shell would run any text file as a shell script; the kernel refuses it (ENOEXEC). */
function formatProblem(path: string): string | undefined {
  const head = readHead(path);
  if (head === undefined || head.subarray(0, 4).toString('latin1') === '\x7fELF') return undefined;
  if (head.subarray(0, 2).toString() !== '#!') return 'Exec format error';
  const interpreter = /^#!\s*(\S+)/.exec(head.toString('latin1'))?.[1];
  if (interpreter === undefined) return 'Exec format error';
  try {
    accessSync(interpreter, constants.X_OK);
    return undefined;
  } catch {
    return 'No such file or directory';
  }
}

/** Returns undefined when the file is executable but not readable. */
function readHead(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const buffer = Buffer.alloc(256);
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}
