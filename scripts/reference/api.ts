import { openApiDocument } from '../../src/api/openapi.ts';
import { ANY_CALL, type Call, DOCUMENTED } from '../../src/api/shapes/index.ts';
import { VERSION } from '../../src/lib/index.ts';
import { code, page, table } from './markdown.ts';

/** docs/reference/openapi.json */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(VERSION), undefined, 2)}\n`;
}

/** docs/reference/api.md */
export function apiPage(): string {
  const rows = Object.values(DOCUMENTED)
    .flatMap((group): readonly Call[] => Object.values(group))
    .map(({ method, path, description, query = {}, errors = [] }) => [
      code(`${method} /${path}`),
      description,
      Object.keys(query).map(code).join(', '),
      errors.map(code).join(', '),
    ]);
  return page(
    "fleet's HTTP API",
    "fleetd's table of calls",
    `Every fleetd serves it on /run/fleet.sock, and on the addresses of \`listen\`, below \`/fleet/v1\` and \`/v1-alpha\`. Bodies are JSON. An error is
\`{"error":{"code":404,"message":"unit does not exist"}}\`. [openapi.json](openapi.json) has the shapes, as has
\`GET /fleet/v1/openapi.json\` of a running fleetd.`,
    '```\n$ sudo curl --unix-socket /run/fleet.sock http://localhost/fleet/v1/machines\n```',
    `Any call may fail with ${ANY_CALL.map(code).join(', ')}; a call's row names its other [errors](errors.md).`,
    table(['call', 'does', 'parameters', 'errors'], rows),
  );
}
