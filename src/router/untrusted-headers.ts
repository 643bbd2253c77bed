/**
 * Request headers that the router sets itself or removes, because a client could lie to a backend about its address or
 * protocol by them. `proxy` becomes the variable HTTP_PROXY in CGI programs (httpoxy, CVE-2016-5385).
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

/** Folds case and `_` to `-`, as CGI, WSGI and Rack do; servers that do so cannot tell such names apart. */
export function foldHeaderName(name: string): string {
  const lower = name.toLowerCase();
  return lower.includes('_') ? lower.replaceAll('_', '-') : lower;
}

/** Lists every lower-case name that folds to this one, beginning with itself. */
export function spellingsOf(name: string): string[] {
  const [first, ...rest] = name.split('-');
  let spellings = [first!];
  for (const part of rest) spellings = spellings.flatMap((start) => [`${start}-${part}`, `${start}_${part}`]);
  return spellings;
}
