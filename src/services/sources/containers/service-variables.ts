import type { ContainerConfig } from './inspect.ts';

/** What SERVICE_* variables and labels say of one port, by the rest of the name in lower case. */
export interface ServiceVariables {
  readonly values: ReadonlyMap<string, string>;
  /** Those of `values` that were said of this very port. */
  readonly ofPort: ReadonlySet<string>;
  /** Those that have no meaning of their own. */
  readonly meta: Readonly<Record<string, string>>;
}

const OWN_MEANING: readonly string[] = ['id', 'tags', 'name', 'ignore'];

/** All SERVICE_* variables of a container, read once for all of its ports. */
export class ServiceVariablesReader {
  /** Characters of their names and values together. */
  chars = 0;
  readonly #general = new Map<string, string>();
  readonly #byPort = new Map<string, Map<string, string>>();
  /** Of a port that nothing is said of: one object for all of these, since there may be thousands of variables. */
  #ofOthers: ServiceVariables | undefined;

  /** Labels come behind the environment and win. */
  constructor(config: ContainerConfig) {
    for (const [name, value] of pairsOf(config)) {
      if (!name.startsWith('SERVICE_')) continue;
      this.chars += name.length + value.length;
      const key = name.slice('SERVICE_'.length).toLowerCase();
      const [, port, rest] = /^(\d+)_(.+)$/.exec(key) ?? [];
      if (port === undefined || rest === undefined) this.#general.set(key, value);
      else this.#byPort.set(port, (this.#byPort.get(port) ?? new Map<string, string>()).set(rest, value));
    }
  }

  /** SERVICE_<port>_X beats SERVICE_X. */
  of(port: string): ServiceVariables {
    const own = this.#byPort.get(port);
    if (own !== undefined) return variablesOf(new Map([...this.#general, ...own]), own.keys());
    this.#ofOthers ??= variablesOf(this.#general, []);
    return this.#ofOthers;
  }
}

function variablesOf(values: ReadonlyMap<string, string>, ofPort: Iterable<string>): ServiceVariables {
  const meta = Object.fromEntries([...values].filter(([key]) => !OWN_MEANING.includes(key)));
  return { values, ofPort: new Set(ofPort), meta };
}

function pairsOf({ Env, Labels }: ContainerConfig): (readonly [string, string])[] {
  const variables = (Env ?? []).map((line) => {
    const at = line.indexOf('=');
    return at === -1 ? ([line, ''] as const) : ([line.slice(0, at), line.slice(at + 1)] as const);
  });
  return [...variables, ...Object.entries(Labels ?? {})];
}

/** Tags separated by commas; `\,` is a comma within one. */
export function splitTags(text: string): string[] {
  const tags = text.split(/(?<!\\),/).map((tag) => tag.replaceAll('\\,', ',').trim());
  return [...new Set(tags.filter((tag) => tag !== ''))];
}
