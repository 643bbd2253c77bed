/** An option's value as one line, as systemd reads it: a backslash at the end of a line joins with a blank. */
export function unfold(value: string): string {
  if (!value.includes('\n')) return value;
  const [first, ...rest] = value.split('\n');
  const kept = rest.filter((line) => !/^[ \t]*[#;]/.test(line));
  return [first!, ...kept]
    .map((line) => line.replace(/\\$/, ''))
    .join(' ')
    .trim();
}

/** Words separated by blanks; double quotes hold blanks together and are dropped. Backslashes stay as they are. */
export function splitQuoted(value: string): string[] {
  const words: string[] = [];
  for (const [word] of unfold(value).matchAll(/(?:[^\s"]|"[^"]*(?:"|$))+/g)) {
    const bare = word.replaceAll('"', '').trim();
    if (bare !== '') words.push(bare);
  }
  return words;
}
