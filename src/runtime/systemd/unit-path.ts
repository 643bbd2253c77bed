const UNITS = '/org/freedesktop/systemd1/unit/';

/** The unit whose D-Bus object this is: its path holds every byte but letters and digits as `_` and two hex digits. */
export function unitOfPath(path: string): string {
  const bytes = path.slice(UNITS.length).replaceAll(/_([0-9a-f]{2})/g, '%$1');
  try {
    return decodeURIComponent(bytes);
  } catch {
    return '';
  }
}
