import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Syncs a directory, so that files created, renamed and removed there stay so after a loss of power. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
