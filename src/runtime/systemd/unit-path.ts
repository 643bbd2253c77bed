const UNITS = '/org/freedesktop/systemd1/unit/';

/** The D-Bus object of a unit: every byte of its name but letters and digits is written as `_` and two hex digits. */
export function unitPath(name: string): string {
  let out = UNITS;
  for (const [index, byte] of Buffer.from(name).entries()) {
    const char = String.fromCharCode(byte);
    const plain = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
    out += plain.test(char) ? char : `_${byte.toString(16).padStart(2, '0')}`;
  }
  return out;
}

/** The unit whose D-Bus object this is. */
export function unitOfPath(path: string): string {
  const escaped = path.slice(UNITS.length).replaceAll(/_([0-9a-f]{2})/g, '%$1');
  try {
    return decodeURIComponent(escaped);
  } catch {
    return '';
  }
}
