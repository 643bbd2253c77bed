/**
 * `units/a%40.service/status?lines=10`: a template with a value for each name in braces, and a query of what is not
 * undefined; a list stands once for each of its items.
 */
export function expandUrl(template: string, values: Readonly<Record<string, string>>, query: object = {}): string {
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name]!));
  const texts = Object.entries(query).flatMap(([name, value]) =>
    [value ?? []].flat().map((item) => `${name}=${encodeURIComponent(String(item))}`),
  );
  return texts.length === 0 ? path : `${path}?${texts.join('&')}`;
}
