import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What may have become of a file, and of what was half done when the power went. */
export const TAMPERINGS: Readonly<Record<string, (file: string) => void>> = {
  'is empty': (file) => writeFileSync(file, ''),
  'has lost its second half': (file) => cut(file, 0.5),
  'has lost its last byte': (file) => cut(file, 1, -1),
  'has one byte only': (file) => writeFileSync(file, readFileSync(file).subarray(0, 1)),
  'has a flipped bit': (file) => flip(file),
  'is garbage': (file) => writeFileSync(file, Buffer.alloc(5000, 'garbage\n')),
  'is a directory': (file) => {
    rmSync(file, { recursive: true });
    mkdirSync(path.join(file, 'within'), { recursive: true });
  },
  'is a link to itself': (file) => {
    rmSync(file, { recursive: true });
    symlinkSync(path.basename(file), file);
  },
  'is a link to nothing': (file) => {
    rmSync(file, { recursive: true });
    symlinkSync('/nonexistent/flotilla', file);
  },
  'is a FIFO': (file) => {
    rmSync(file, { recursive: true });
    execFileSync('mkfifo', [file]);
  },
  'is huge': (file) => truncateSync(file, 2 ** 30),
  'is JSON of another shape': (file) => writeFileSync(file, '{"pid":"1","machines":[null],"services":{}}'),
  'is gone': (file) => rmSync(file),
  'cannot be read': (file) => chmodSync(file, 0),
  'has a temporary beside it': (file) => writeFileSync(`${file}.new`, 'half'),
};

function cut(file: string, share: number, more = 0): void {
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, Math.max(0, Math.floor(bytes.length * share) + more)));
}

function flip(file: string): void {
  const bytes = readFileSync(file);
  // Not by the seed: LMDB has no sums by which a changed value could be told.
  if (bytes.length > 0) bytes[7919 % bytes.length]! ^= 2;
  writeFileSync(file, bytes);
}
