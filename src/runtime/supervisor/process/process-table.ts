import { isZombie, listPids, type ProcessStat, readEnvironment, readStat } from './procfs.ts';

/** INVOCATION_ID by process; the environment of each process is read once. */
export type InvocationCache = Map<string, string>;

/** All live processes at one moment, except this one, indexed by their relations. */
export class ProcessTable {
  readonly #byPid = new Map<number, ProcessStat>();
  readonly #byParent = new Map<number, ProcessStat[]>();
  readonly #bySession = new Map<number, ProcessStat[]>();
  readonly #byGroup = new Map<number, ProcessStat[]>();
  readonly #cache: InvocationCache;
  #byInvocation: Map<string, ProcessStat[]> | undefined;

  constructor(cache: InvocationCache = new Map()) {
    this.#cache = cache;
    for (const pid of listPids()) {
      const stat = pid === process.pid ? undefined : readStat(pid);
      if (stat === undefined || isZombie(stat)) continue;
      this.#byPid.set(pid, stat);
      add(this.#byParent, stat.ppid, stat);
      add(this.#bySession, stat.sid, stat);
      add(this.#byGroup, stat.pgid, stat);
    }
  }

  /**
   * Lists the processes of a unit: those tracked so far (pid → start time), those with one of its invocation ids, and
   * all their descendants and companions in session and process group.
   */
  members(tracked: ReadonlyMap<number, number>, invocations: ReadonlySet<string>): readonly ProcessStat[] {
    const found = new Map<number, ProcessStat>();
    const queue: ProcessStat[] = [];
    for (const [pid, startTime] of tracked) {
      const stat = this.#byPid.get(pid);
      if (stat?.startTime === startTime) queue.push(stat);
    }
    for (const invocation of invocations) queue.push(...(this.#invocations().get(invocation) ?? []));
    for (let stat = queue.pop(); stat !== undefined; stat = queue.pop()) {
      if (found.has(stat.pid)) continue;
      found.set(stat.pid, stat);
      for (const ties of [this.#byParent.get(stat.pid), this.#bySession.get(stat.sid), this.#byGroup.get(stat.pgid)]) {
        if (ties !== undefined) queue.push(...ties);
      }
    }
    return [...found.values()];
  }

  #invocations(): Map<string, ProcessStat[]> {
    if (this.#byInvocation !== undefined) return this.#byInvocation;
    const table = new Map<string, ProcessStat[]>();
    const asked = new Map<string, string>();
    for (const stat of this.#byPid.values()) {
      // Kernel threads have no environment, and our own children are tracked.
      if (stat.pid === KTHREADD || stat.ppid === KTHREADD || stat.ppid === process.pid) continue;
      const key = `${stat.pid} ${stat.startTime}`;
      const invocation = this.#cache.get(key) ?? readEnvironment(stat.pid).get('INVOCATION_ID') ?? '';
      asked.set(key, invocation);
      if (invocation !== '') add(table, invocation, stat);
    }
    this.#cache.clear();
    for (const [key, invocation] of asked) this.#cache.set(key, invocation);
    this.#byInvocation = table;
    return table;
  }
}

const KTHREADD = 2;

function add<K>(table: Map<K, ProcessStat[]>, key: K, stat: ProcessStat): void {
  const list = table.get(key);
  if (list === undefined) table.set(key, [stat]);
  else list.push(stat);
}
