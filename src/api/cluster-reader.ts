import { createHash } from 'node:crypto';
import type { Change, Cluster, Snapshot } from '../cluster/index.ts';
import type { Log } from '../lib/index.ts';
import type { Unit } from '../model/index.ts';
import { Prepared } from './answers.ts';
import { NO_TEXT, type UnitText, UnitTexts } from './unit-texts.ts';
import type { ViewOnDemand } from './view-on-demand.ts';

type Kind = Change['kind'];

/** The unit files that a snapshot's units need, by hash. */
export type TextOf = (hash: string) => UnitText;

const MAX_PREPARED_BYTES = 64 * 1024 * 1024;
/** Ten thousand texts are some eighty requests to the store. */
const TEXTS_TIMEOUT_MS = 10_000;

/** Snapshots with the texts they need, and whole answers kept as bytes until something they show changes. */
export class ClusterReader {
  readonly view: ViewOnDemand;
  readonly #texts: UnitTexts;
  readonly #log: Log;
  /** How many changes of each kind there have been. */
  readonly #changes: Record<Kind, number> = { unit: 0, machine: 0, placement: 0, status: 0, leader: 0 };
  readonly #prepared = new Map<string, { readonly stamp: string; readonly prepared: Prepared }>();
  #preparedBytes = 0;

  constructor(options: { readonly view: ViewOnDemand; readonly cluster: Cluster; readonly log: Log }) {
    this.view = options.view;
    this.#log = options.log;
    this.#texts = new UnitTexts(options.cluster);
    this.view.subscribe({
      change: ({ changes }) => {
        for (const { kind } of changes) this.#changes[kind]++;
      },
      renew: () => {
        this.#forgetPrepared();
        this.#texts.clear();
      },
    });
  }

  /** `build` sees one consistent snapshot, as of now, with the texts of the units that `select` picks from it. */
  async withTexts<T>(
    select: (snapshot: Snapshot) => Iterable<Unit>,
    build: (snapshot: Snapshot, textOf: TextOf) => T,
  ): Promise<T> {
    const loaded = new Map<string, UnitText>();
    for (let tries = 0; ; tries++) {
      const snapshot = await this.view.read();
      const missing = this.missing(select(snapshot), loaded);
      // A unit changed between the two reads has its new text by the next try; one without any is damaged.
      if (missing.length > 0 && tries < 3) {
        for (const [hash, text] of await this.loadTexts(missing)) loaded.set(hash, text);
        continue;
      }
      for (const { name, hash } of missing) this.#log.warn('Unit has no text in the store', { unit: name, hash });
      return build(snapshot, (hash) => this.#texts.get(hash) ?? loaded.get(hash) ?? NO_TEXT);
    }
  }

  /** The units whose text is at hand neither here nor in `loaded`: one for each hash. */
  missing(units: Iterable<Unit>, loaded: ReadonlyMap<string, UnitText> = new Map()): Unit[] {
    const missing = new Map<string, Unit>();
    for (const unit of units) {
      if (this.#texts.get(unit.hash) === undefined && !loaded.has(unit.hash)) missing.set(unit.hash, unit);
    }
    return [...missing.values()];
  }

  /** Reads texts from the store; they are kept as long as there is room. */
  loadTexts(units: readonly Unit[]): Promise<ReadonlyMap<string, UnitText>> {
    return this.view.call(() => this.#texts.load(units), TEXTS_TIMEOUT_MS);
  }

  /** The text if it is at hand, else an empty one. */
  textAtHand(hash: string): UnitText {
    return this.#texts.get(hash) ?? NO_TEXT;
  }

  /** What was prepared under `key`, unless anything of `kinds` changed since. */
  recall(key: string, kinds: readonly Kind[]): Prepared | undefined {
    const kept = this.#prepared.get(key);
    return kept?.stamp === this.#stamp(kinds) ? kept.prepared : undefined;
  }

  /** Keeps JSON text as bytes for `recall`. Call it in the turn of the event loop in which the text was built. */
  prepare(key: string, kinds: readonly Kind[], json: string): Prepared {
    const body = Buffer.from(json);
    const prepared = new Prepared(body, `"${createHash('sha1').update(body).digest('base64url').slice(0, 20)}"`);
    this.#preparedBytes += body.byteLength - (this.#prepared.get(key)?.prepared.body.byteLength ?? 0);
    if (this.#preparedBytes > MAX_PREPARED_BYTES) this.#forgetPrepared();
    else this.#prepared.set(key, { stamp: this.#stamp(kinds), prepared });
    return prepared;
  }

  #stamp(kinds: readonly Kind[]): string {
    return kinds.map((kind) => this.#changes[kind]).join();
  }

  #forgetPrepared(): void {
    this.#prepared.clear();
    this.#preparedBytes = 0;
  }
}
