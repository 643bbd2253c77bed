import { type FlotillaError, isFlotillaError, messageOf } from '../../lib/index.ts';
import { parseUnitFile, type UnitOption, type UnitProblem } from '../../unitfile/index.ts';
import type { RuntimeBatch } from '../runtime.ts';
import { isOver } from './held-units.ts';
import type { Systemd } from './systemd.ts';
import type { UnitRecords } from './unit-records.ts';

type NewUnit = RuntimeBatch['load'][number];

/**
 * Carries one batch out: stops, unlinks, writes, links, with at most one daemon-reload. A reload makes systemd read
 * every unit of the machine, which takes 80 ms and more; units that it has never heard of need none.
 */
export class UnitBatch {
  readonly #systemd: Systemd;
  readonly #records: UnitRecords;
  readonly #signal: AbortSignal;
  /** The reason for each unit that was not unloaded or loaded. */
  readonly refused = new Map<string, string>();

  /** `signal` ends the wait for units that are slow to stop. */
  constructor(systemd: Systemd, records: UnitRecords, signal: AbortSignal) {
    this.#systemd = systemd;
    this.#records = records;
    this.#signal = signal;
  }

  async run({ unload, load }: RuntimeBatch): Promise<void> {
    const { units } = this.#systemd;
    const going = new Set(unload);
    const coming = load.filter(({ name, hash }) => going.has(name) || units.get(name)?.hash !== hash);
    const leaving = new Set([...unload, ...coming.map(({ name }) => name)].filter((name) => units.has(name)));
    if (leaving.size + coming.length === 0) return;
    await this.#stop([...leaving]);
    const kept = (name: string) => this.refused.has(name);
    this.#records.begin();
    const forgotten = await this.#unload([...leaving].filter((name) => !kept(name)));
    const news = coming.filter(({ name }) => !kept(name));
    const strangers = forgotten && !(await this.#isKnown(news));
    const loaded = await this.#load(news);
    if (!strangers || !(await this.#isRead(loaded))) await this.#systemd.reload();
    this.#records.finish();
  }

  /**
   * True when systemd has read these units, or will find them through others: then only a reload tells it of changes.
   */
  async #isKnown(news: readonly NewUnit[]): Promise<boolean> {
    if (news.some(({ text }) => hasInstall(parseUnitFile(text).options))) return true;
    return this.#systemd.knowsAny(news.map(({ name }) => name));
  }

  /** Makes systemd read files of units that it does not know; returns false when it has not found all of them. */
  async #isRead(names: readonly string[]): Promise<boolean> {
    const { units } = this.#systemd;
    await this.#systemd.readUnits(names);
    return !names.some((name) => units.get(name)?.state.load === 'not-found');
  }

  /** Stops running units in parallel and waits for them. A unit that goes on running is refused. */
  async #stop(names: readonly string[]): Promise<void> {
    const { units } = this.#systemd;
    const up = names.filter((name) => !isOver(units.get(name)!.state) || units.get(name)!.job !== undefined);
    await this.#each(up, (name) => this.#systemd.queue('stop', name), ['not-found']);
    await units.until(() => up.every((name) => units.get(name)?.job === undefined), this.#signal);
    for (const name of up) {
      const state = units.get(name)?.state;
      if (state !== undefined && !isOver(state) && !this.refused.has(name))
        this.refused.set(name, `${name} does not stop: it is ${state.active} (${state.sub})`);
    }
  }

  /** Returns true when systemd has forgotten them by itself, as it does with stopped units that no other unit names. */
  async #unload(names: readonly string[]): Promise<boolean> {
    if (names.length === 0) return true;
    const { units } = this.#systemd;
    const failed = names.filter((name) => units.get(name)?.state.active === 'failed');
    await Promise.all(failed.map((name) => this.#systemd.resetFailed(name)));
    const links = await this.#systemd.disable(names);
    for (const name of names) {
      this.#records.remove(name);
      units.forget(name);
    }
    const wereEnabled = links > names.length;
    return !wereEnabled && !(await this.#systemd.knowsAny(names));
  }

  /** Writes, links and enables; returns the units that are in place. */
  async #load(coming: readonly NewUnit[]): Promise<readonly string[]> {
    const files = new Map<string, NewUnit>();
    for (const unit of coming) if (this.#write(unit)) files.set(unit.name, unit);
    try {
      await this.#place(files);
    } catch (error) {
      // systemd is away: remove the files, so that no unit looks loaded that systemd has never read.
      for (const name of files.keys()) this.#records.remove(name);
      throw error;
    }
    for (const { name, hash } of files.values()) this.#systemd.units.hold(name, hash, false);
    return [...files.keys()];
  }

  #write({ name, hash, text }: NewUnit): boolean {
    const problem = parseUnitFile(text).problems.find(({ severity }) => severity === 'error');
    if (problem !== undefined) this.refused.set(name, sentence(name, problem));
    else
      try {
        this.#records.write(name, hash, text);
        return true;
      } catch (error) {
        this.#records.remove(name);
        this.refused.set(name, `${name}: its file cannot be written: ${messageOf(error)}`);
      }
    return false;
  }

  /** Links and enables `files` and removes those that systemd refuses. */
  async #place(files: Map<string, NewUnit>): Promise<void> {
    const bad = new Set<string>();
    const note = (name: string) => bad.add(name);
    const paths = (names: readonly string[]) => names.map((name) => this.#records.fileOf(name));
    await this.#together([...files.keys()], (names) => this.#systemd.link(paths(names)), note);
    const installed = [...files.values()].filter(
      ({ name, text }) => !bad.has(name) && hasInstall(parseUnitFile(text).options),
    );
    await this.#together(
      installed.map(({ name }) => name),
      (names) => this.#systemd.enable(names),
      note,
    );
    if (bad.size === 0) return;
    await this.#each([...bad], async (name) => void (await this.#systemd.disable([name])), ['invalid']);
    for (const name of bad) {
      this.#records.remove(name);
      files.delete(name);
    }
  }

  /** Calls once for all units; if systemd refuses, once for each, to find out which unit it refuses. */
  async #together(
    names: readonly string[],
    call: (names: readonly string[]) => Promise<void>,
    refuse: (name: string) => void,
  ): Promise<void> {
    if (names.length === 0) return;
    try {
      await call(names);
    } catch (error) {
      throwUnlessRefusal(error);
      await this.#each(names, (name) => call([name]), [], refuse);
    }
  }

  /** Calls once for each unit and records refusals, except errors with a code in `ignored`. */
  async #each(
    names: readonly string[],
    call: (name: string) => Promise<void>,
    ignored: readonly FlotillaError['code'][],
    refuse: (name: string) => void = () => {},
  ): Promise<void> {
    const one = async (name: string) => {
      try {
        await call(name);
      } catch (error) {
        throwUnlessRefusal(error);
        if (isFlotillaError(error) && ignored.includes(error.code)) return;
        this.refused.set(name, `${name}: ${messageOf(error)}`);
        refuse(name);
      }
    };
    await Promise.all(names.map(one));
  }
}

/** Rethrows errors that do not concern the unit, such as an absent systemd. */
export function throwUnlessRefusal(error: unknown): void {
  if (!isFlotillaError(error) || error.code === 'unavailable' || error.code === 'internal') throw error;
}

/** True for a file with an [Install] section, which is enabled as well as linked. */
export function hasInstall(options: readonly UnitOption[]): boolean {
  return options.some(({ section }) => section === 'Install');
}

function sentence(name: string, { line, message }: UnitProblem): string {
  return line > 0 ? `${name}: line ${line}: ${message}` : `${name}: ${message}`;
}
