import type { ContainerConfig } from './inspect.ts';

/** What SERVICE_* variables and labels say of one port, by the rest of the name in lower case. */
export interface ServiceVariables {
  readonly values: ReadonlyMap<string, string>;
  /** Those of `values` that were said of this very port. */
  readonly ofPort: ReadonlySet<string>;
}

/** Labels come behind the environment and win; SERVICE_<port>_X beats SERVICE_X. */
export function serviceVariables(config: ContainerConfig, port: string): ServiceVariables {
  const values = new Map<string, string>();
  const ofPort = new Set<string>();
  for (const [name, value] of pairsOf(config)) {
    if (!name.startsWith('SERVICE_')) continue;
    const key = name.slice('SERVICE_'.length).toLowerCase();
    const [, forPort, rest] = /^(\d+)_(.+)$/.exec(key) ?? [];
    if (rest === undefined) {
      if (!ofPort.has(key)) values.set(key, value);
    } else if (forPort === port) {
      values.set(rest, value);
      ofPort.add(rest);
    }
  }
  return { values, ofPort };
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
