import { MAX_COMMIT_WRITES, type Write } from '../store/index.ts';

/** Returns `items` in runs of at most `size`, in order. */
export function* chunks<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

/** The most bytes in one commit: two thirds of etcd's default for a request (`--max-request-bytes`, 1.5 MiB). */
const MAX_COMMIT_BYTES = 1_000_000;

/** The most writes in one commit. One that only deletes gets one more, a note with its time; etcd takes 128. */
const MAX_RUN = MAX_COMMIT_WRITES - 1;

/** Returns writes in runs that each fit one commit, in order. */
export function* commitChunks(writes: readonly Write[]): Generator<Write[]> {
  let run: Write[] = [];
  let bytes = 0;
  for (const write of writes) {
    const weight = 'put' in write ? Buffer.byteLength(write.put) + Buffer.byteLength(write.value) : 0;
    if (run.length === MAX_RUN || (run.length > 0 && bytes + weight > MAX_COMMIT_BYTES)) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(write);
    bytes += weight;
  }
  if (run.length > 0) yield run;
}
