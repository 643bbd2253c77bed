const UNITS = '/org/freedesktop/systemd1/unit/';

/** Returns the unit of a D-Bus object path, in which every byte but letters and digits is `_` and two hex digits. */
export function unitOfPath(path: string): string {
  const bytes = path.slice(UNITS.length).replaceAll(/_([0-9a-f]{2})/g, '%$1');
  try {
    return decodeURIComponent(bytes);
  } catch {
    return '';
  }
}
