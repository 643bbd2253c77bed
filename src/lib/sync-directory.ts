import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Makes the names in a directory outlast a loss of power: files made, renamed and removed there. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
