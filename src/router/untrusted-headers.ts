/**
 * Request headers that the router states itself, or that nobody may state: a client could otherwise lie to a backend about
 * its address or protocol. `proxy` becomes the variable HTTP_PROXY in CGI programs (httpoxy, CVE-2016-5385).
 */
export const UNTRUSTED_HEADERS: readonly string[] = [
  'forwarded',
  'proxy',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-forwarded-ssl',
  'x-real-ip',
];

/** The name by which servers compare headers that fold case, and `_` into `-`, as CGI, WSGI and Rack do. */
export function foldHeaderName(name: string): string {
  const lower = name.toLowerCase();
  return lower.includes('_') ? lower.replaceAll('_', '-') : lower;
}

/** Every lower-case name that folds to this one, itself first. */
export function spellingsOf(name: string): string[] {
  const [first, ...rest] = name.split('-');
  let spellings = [first!];
  for (const part of rest) spellings = spellings.flatMap((start) => [`${start}-${part}`, `${start}_${part}`]);
  return spellings;
}
