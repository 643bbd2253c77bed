/**
 * The specifiers %n %N %p %i in a value. Works on any text, also on names that are none, since a check reports everything
 * at once.
 */
export function expandSpecifiers(full: string, value: string): string {
  if (!value.includes('%')) return value;
  const dot = full.lastIndexOf('.');
  const name = dot === -1 ? full : full.slice(0, dot);
  const at = name.indexOf('@');
  const meanings: Readonly<Record<string, string>> = {
    n: full,
    N: name,
    p: at === -1 ? name : name.slice(0, at),
    i: at === -1 ? '' : name.slice(at + 1),
  };
  return value.replace(/%([nNpi])/g, (_, letter: string) => meanings[letter]!);
}
