/** Returns the value as one line, as systemd reads it: a backslash at the end of a line becomes a blank. */
export function unfold(value: string): string {
  if (!value.includes('\n')) return value;
  const lines = value.split('\n');
  const last = lines.length - 1;
  return (
    lines
      // The last line joins nothing: a backslash at its end is the second of an escaped pair.
      .map((line, index) => (index === last ? line : line.replace(/\\$/, '')))
      .filter((line, index) => index === 0 || !/^[ \t]*[#;]/.test(line))
      .join(' ')
      .trim()
  );
}

/** Splits at blanks; double quotes keep blanks and are removed. Backslashes stay. */
export function splitQuoted(value: string): string[] {
  const line = unfold(value);
  // Fast path, several times faster for values with tens of thousands of words.
  if (!line.includes('"')) return line.split(/\s+/).filter((word) => word !== '');
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:[^\s"]|"[^"]*(?:"|$))+/g)) {
    const bare = word.replaceAll('"', '').trim();
    if (bare !== '') words.push(bare);
  }
  return words;
}
