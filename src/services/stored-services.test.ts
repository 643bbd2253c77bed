import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { silentLog } from '../lib/index.ts';
import { readServices } from './stored-services.ts';
import { registration } from './test-services.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-stored-'));
after(() => rmSync(directory, { recursive: true }));
const file = path.join(directory, 'services.json');

/** Returns what is read of such a file, and why the log calls it damaged. */
function read(text: string) {
  writeFileSync(file, text);
  let error: unknown;
  const log = { ...silentLog, error: (_: string, fields: { readonly error?: unknown } = {}) => (error = fields.error) };
  return { contents: readServices(file, log), error };
}

const pace = { intervalMs: 1000, timeoutMs: 500 };
const PROBES: Readonly<Record<string, object>> = {
  ttl: { ttlMs: 1000 },
  tcp: { ...pace, host: 'h', port: 80 },
  grpc: { ...pace, host: 'h', port: 80, service: '', tls: false, verify: false },
  script: { ...pace, args: ['true'], env: { A: 'b' } },
  http: { ...pace, url: 'http://h/', method: 'GET', body: '', headers: { A: ['b'] }, verify: false },
};
const checkOf = (type: string, over: object = {}) => ({
  ...{ id: type, name: type, notes: '', status: 'critical' },
  probe: { type, ...PROBES[type], ...over },
});
const known = {
  ...registration('a', { drainMs: 5 }),
  source: 'api',
  checks: Object.keys(PROBES).map((type) => checkOf(type)),
};

test('known fields are read as they were written, and unknown ones are kept', () => {
  const service = { ...known, later: { version: 2 } };
  const added = Object.keys(PROBES).map((type) => checkOf(type, { later: true }));
  const { contents, error } = read(
    JSON.stringify({ services: [service], checks: [['a', added]], maintenance: [['', 'repairs']] }),
  );
  assert.equal(error, undefined);
  assert.deepEqual([...contents.services.values()], [service]);
  assert.deepEqual([...contents.checks], [['a', added]]);
  assert.deepEqual([...contents.maintenance], [['', 'repairs']]);
});

const WRONG: readonly (readonly [what: string, entry: object])[] = [
  ['another source', { ...known, source: 'unit' }],
  ['a number as an id', { ...known, id: 1 }],
  ['a port beyond all', { ...known, port: 65_536 }],
  ['half a port', { ...known, port: 80.5 }],
  ['a text as tags', { ...known, tags: 'web' }],
  ['a number in metadata', { ...known, meta: { a: 1 } }],
  ['a list as metadata', { ...known, meta: [] }],
  ['a negative weight', { ...known, weights: { passing: -1, warning: 1 } }],
  ['a weight too few', { ...known, weights: { passing: 1 } }],
  ['a route that is none', { ...known, routes: [null] }],
  ['a number as a host', { ...known, routes: [{ host: 1 }] }],
  ['a drain without an end', { ...known, drainMs: null }],
  ['an unknown status', { ...known, checks: [{ ...checkOf('ttl'), status: 'well' }] }],
  ['an unknown probe', { ...known, checks: [checkOf('icmp')] }],
  ['a check without a pace', { ...known, checks: [checkOf('tcp', { intervalMs: undefined })] }],
  ['a header of one text', { ...known, checks: [checkOf('http', { headers: { A: 'b' } })] }],
  ['a header __proto__', { ...known, checks: [checkOf('http', { headers: JSON.parse('{"__proto__":5}') })] }],
  ['a number as a variable', { ...known, checks: [checkOf('script', { env: { A: 1 } })] }],
];
for (const [what, entry] of WRONG)
  test(`an entry with ${what} is left out, and the others are read`, () => {
    const text = JSON.stringify({ services: [entry, { ...known, id: 'good' }], checks: [], maintenance: [] });
    const { contents, error } = read(text);
    assert.deepEqual([...contents.services.keys()], ['good']);
    assert.equal(error, '1 of its entries are of no known form');
    assert.equal(readFileSync(`${file}.damaged`, 'utf8'), text);
  });

const DAMAGED: readonly (readonly [text: string, error: RegExp])[] = [
  ['', /JSON/],
  ['[]', /^it is no JSON object$/],
  ['null', /^it is no JSON object$/],
  ['{}', /^one of its lists is missing$/],
  ['{"services":[],"checks":{},"maintenance":[]}', /^one of its lists is missing$/],
  ['{"services":[],"checks":[["a"]],"maintenance":[["a","b","c"]]}', /^2 of its entries/],
];
for (const [text, reason] of DAMAGED)
  test(`${JSON.stringify(text)} is damaged, and a copy is kept`, () => {
    rmSync(`${file}.damaged`, { force: true });
    const { contents, error } = read(text);
    assert.match(String(error), reason);
    assert.equal(contents.services.size + contents.checks.size + contents.maintenance.size, 0);
    assert.ok(existsSync(`${file}.damaged`));
  });
