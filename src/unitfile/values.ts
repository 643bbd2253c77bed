/** An option's value as one line, as systemd reads it: a backslash at the end of a line joins with a blank. */
export function unfold(value: string): string {
  if (!value.includes('\n')) return value;
  const lines = value.split('\n');
  const last = lines.length - 1;
  return (
    lines
      // The last line joins nothing: a backslash at its end is the second of two, which are one that is meant.
      .map((line, index) => (index === last ? line : line.replace(/\\$/, '')))
      .filter((line, index) => index === 0 || !/^[ \t]*[#;]/.test(line))
      .join(' ')
      .trim()
  );
}

/** Words separated by blanks; double quotes hold blanks together and are dropped. Backslashes stay as they are. */
export function splitQuoted(value: string): string[] {
  const line = unfold(value);
  // Several times faster, which counts where a value has tens of thousands of words.
  if (!line.includes('"')) return line.split(/\s+/).filter((word) => word !== '');
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:[^\s"]|"[^"]*(?:"|$))+/g)) {
    const bare = word.replaceAll('"', '').trim();
    if (bare !== '') words.push(bare);
  }
  return words;
}
