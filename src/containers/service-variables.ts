import type { ContainerConfig } from './inspect.ts';

/** What SERVICE_* variables and labels say of one port, by the rest of the name in lower case. */
export interface ServiceVariables {
  readonly values: ReadonlyMap<string, string>;
  /** Those of `values` that were said of this very port. */
  readonly ofPort: ReadonlySet<string>;
}

/** All SERVICE_* variables of a container, read once for all of its ports. */
export class ServiceVariablesReader {
  /** Characters of their names and values together. */
  chars = 0;
  readonly #general = new Map<string, string>();
  readonly #byPort = new Map<string, Map<string, string>>();

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
    const own = this.#byPort.get(port) ?? new Map<string, string>();
    return { values: new Map([...this.#general, ...own]), ofPort: new Set(own.keys()) };
  }
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
