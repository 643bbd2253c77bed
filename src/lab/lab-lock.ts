import { linkSync, lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { systemClock as clock, FlotillaError, makePrivateDirectory, readStateFile } from '../lib/index.ts';
import { labPaths } from './lab-directory.ts';
import type { LabIo } from './lab-io.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';

const WAIT_MS = 90_000;

/**
 * Runs `work` while no other command changes this lab; waits for a running one. Takes over the lock of a killed
 * process. On a full disk, which has no room for a lock, `makesRoom` permits the work without one.
 */
export async function withLabLock<T>(
  lab: string,
  io: LabIo,
  work: () => Promise<T>,
  { makesRoom = false }: { readonly makesRoom?: boolean } = {},
): Promise<T> {
  const file = labPaths.lock(lab);
  const own = `${file}.${process.pid}`;
  try {
    makePrivateDirectory(lab);
    try {
      writeFileSync(own, JSON.stringify(identify(process.pid)));
    } catch (error) {
      if (makesRoom && (error as NodeJS.ErrnoException).code === 'ENOSPC') return await work();
      throw error;
    }
    await take(file, own, io);
    try {
      return await work();
    } finally {
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(own, { force: true });
  }
}

async function take(file: string, own: string, io: LabIo): Promise<void> {
  const deadline = clock.monotonic() + WAIT_MS;
  for (let said = false; !tryLink(own, file); ) {
    assertFile(file);
    const holder = readHolder(file);
    if (!holder || !isAlive(holder)) {
      // Move it aside first: of two processes that find it stale only one succeeds.
      tryRename(file, `${own}.stale`);
      rmSync(`${own}.stale`, { force: true });
      continue;
    }
    if (!said) io.out(`Waiting for another lab command to finish (pid ${holder.pid})…\n`);
    said = true;
    if (clock.monotonic() > deadline)
      throw new FlotillaError(
        'timeout',
        `another lab command (pid ${holder.pid}) has not finished for 90 s; end it first`,
      );
    await clock.sleep(50);
  }
}

function assertFile(file: string): void {
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() !== false) return;
  throw new FlotillaError('damaged', `${file} is no file, so nobody can hold it as a lock: remove it`);
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function tryRename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function readHolder(file: string): ProcessIdentity | null | undefined {
  try {
    return JSON.parse(readStateFile(file)) as ProcessIdentity | null;
  } catch {
    // The lock is gone meanwhile or was never complete: it has no holder.
    return undefined;
  }
}
