import { openApiDocument } from '../../src/api/openapi.ts';
import { VERSION } from '../../src/lib/index.ts';
import { code, page, table } from './markdown.ts';

interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** docs/reference/openapi.json */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(VERSION), undefined, 2)}\n`;
}

/** docs/reference/api.md */
export function apiPage(): string {
  const { paths } = openApiDocument(VERSION) as Document;
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary = '', parameters = [] }]) => [
      code(`${method.toUpperCase()} ${path}`),
      summary,
      parameters.flatMap(({ name, in: place }) => (place === 'query' ? [code(name)] : [])).join(', '),
    ]),
  );
  return page(
    "fleet's HTTP API",
    "fleetd's OpenAPI document",
    `Every fleetd serves it on /run/fleet.sock, and on the addresses of \`listen\`, below \`/fleet/v1\` and \`/v1-alpha\`. Bodies are JSON. An error is
\`{"error":{"code":404,"message":"unit does not exist"}}\`. [openapi.json](openapi.json) has the shapes, as has
\`GET /fleet/v1/openapi.json\` of a running fleetd.`,
    '```\n$ sudo curl --unix-socket /run/fleet.sock http://localhost/fleet/v1/machines\n```',
    table(['call', 'does', 'parameters'], calls),
  );
}
