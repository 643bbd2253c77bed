import type { Cluster } from '../cluster/index.ts';
import { parseUnitFile, type UnitOption, unfold } from '../unitfile/index.ts';

/** A unit file as the API shows it. */
export interface UnitText {
  readonly options: readonly UnitOption[];
  /** `options` as JSON, made once for the many lists it stands in. */
  readonly optionsJson: string;
  /** [Unit] Description=, on one line; empty without one. */
  readonly description: string;
}

/** What stands for a text that the store does not have. */
export const NO_TEXT: UnitText = { options: [], optionsJson: '[]', description: '' };

/** A hash, and one of the units that have it. */
export type WantedText = { readonly name: string; readonly hash: string };

const MAX_CACHED_CHARS = 32 * 1024 * 1024;

/** Unit files by hash, read when first needed and kept in bounded memory: a hash never changes its meaning. */
export class UnitTexts {
  readonly #cluster: Cluster;
  readonly #byHash = new Map<string, UnitText>();
  #chars = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get(hash: string): UnitText | undefined {
    return this.#byHash.get(hash);
  }

  /** Reads texts from the store. One whose unit changed or went meanwhile is left out. */
  async load(wanted: readonly WantedText[]): Promise<ReadonlyMap<string, UnitText>> {
    const loaded = new Map<string, UnitText>();
    for (const [hash, text] of await this.#cluster.texts(wanted)) loaded.set(hash, this.#keep(hash, text));
    return loaded;
  }

  clear(): void {
    this.#byHash.clear();
    this.#chars = 0;
  }

  #keep(hash: string, text: string): UnitText {
    const { options } = parseUnitFile(text);
    const unitText = { options, optionsJson: JSON.stringify(options), description: descriptionOf(options) };
    this.#chars += unitText.optionsJson.length - (this.#byHash.get(hash)?.optionsJson.length ?? 0);
    this.#byHash.set(hash, unitText);
    for (const [oldest, { optionsJson }] of this.#byHash) {
      if (this.#chars <= MAX_CACHED_CHARS || oldest === hash) break;
      this.#byHash.delete(oldest);
      this.#chars -= optionsJson.length;
    }
    return unitText;
  }
}

function descriptionOf(options: readonly UnitOption[]): string {
  const option = options.findLast(({ section, name }) => section === 'Unit' && name === 'Description');
  return option === undefined ? '' : unfold(option.value);
}
