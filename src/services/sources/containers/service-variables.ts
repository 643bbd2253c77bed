import type { ContainerConfig } from './inspect.ts';

/** The SERVICE_* variables and labels for one port, by the rest of their names in lower case. */
export interface ServiceVariables {
  readonly values: ReadonlyMap<string, string>;
  /** The names in `values` that were set for this port alone. */
  readonly ofPort: ReadonlySet<string>;
  /** The variables without a meaning of their own, which become the service's metadata. */
  readonly meta: Readonly<Record<string, string>>;
}

const OWN_MEANING: readonly string[] = ['id', 'tags', 'name', 'ignore'];

/** Reads the SERVICE_* variables of a container once for all of its ports. */
export class ServiceVariablesReader {
  /** How many characters their names and values have together. */
  chars = 0;
  readonly #general = new Map<string, string>();
  readonly #byPort = new Map<string, Map<string, string>>();
  /** The variables of ports without any of their own: one object, since there may be thousands of variables. */
  #ofOthers: ServiceVariables | undefined;

  /** Reads the environment and then the labels, which override it. */
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

  /** Returns the variables for a port; SERVICE_<port>_X overrides SERVICE_X. */
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

/** Returns tags that were separated by commas; `\,` is a comma within one. */
export function splitTags(text: string): string[] {
  const tags = text.split(/(?<!\\),/).map((tag) => tag.replaceAll('\\,', ',').trim());
  return [...new Set(tags.filter((tag) => tag !== ''))];
}
