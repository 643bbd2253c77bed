import { wordsOf } from './specifiers.ts';
import type { UnitOption } from './unit-file.ts';

/**
 * Lists the names of containers that the unit's commands run: `--name X` of `docker run` and `podman run`. Values
 * beyond the usual length are not searched.
 */
export function containerNames(unit: string, options: readonly UnitOption[]): string[] {
  return options
    .filter(({ section, name }) => section === 'Service' && /^Exec(Start|StartPre|StartPost)$/.test(name))
    .flatMap(({ value }) => namesIn(wordsOf(unit, value) ?? []));
}

function namesIn(words: readonly string[]): string[] {
  const program = words.findIndex((word) => /(^|[/@+!:-])(docker|podman)$/.test(word));
  const command = words.findIndex((word, i) => i > program && (word === 'run' || word === 'create'));
  if (program === -1 || command === -1) return [];
  return words.slice(command).flatMap((word, i, all) => {
    const name = word === '--name' ? all[i + 1] : word.startsWith('--name=') ? word.slice('--name='.length) : undefined;
    return name === undefined || name === '' ? [] : [name];
  });
}
