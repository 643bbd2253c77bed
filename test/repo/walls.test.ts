import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { folderRows, type Import, rowProblems, wallProblem } from './architecture.ts';
import { productSources, root, type SourceFile, withoutComments } from './sources.ts';

const product = productSources();
const rows = folderRows(readFileSync(path.join(root, 'ARCHITECTURE.md'), 'utf8'));
const files = new Set(product.map(({ file }) => file));
/** Every folder of src that holds code, its parents included. */
const folders = [
  ...new Set(
    [...files].flatMap((file) => {
      const parts = file.split('/').slice(1, -1);
      return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
    }),
  ),
];

/** Outside packages and builtins that belong to one place. */
const ONLY_IN: readonly { readonly module: RegExp; readonly folders: readonly string[] }[] = [
  { module: /^lmdb$/, folders: ['src/store/embedded/'] },
  { module: /^undici$/, folders: ['src/router/process/'] },
  { module: /^dbus/, folders: ['src/runtime/systemd/'] },
  { module: /^(hono|@hono)/, folders: ['src/api/', 'src/consul/', 'src/daemon/'] },
];

interface Specifier {
  readonly from: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

function importsOf({ file, text }: SourceFile): Specifier[] {
  const code = withoutComments(text);
  const still = code.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm);
  const lazy = code.matchAll(/\bimport\(\s*'([^']+)'/g);
  return [
    ...[...still].map(([, type, specifier]) => ({ from: file, specifier: specifier!, typeOnly: !!type, lazy: false })),
    ...[...lazy].map(([, specifier]) => ({ from: file, specifier: specifier!, typeOnly: false, lazy: true })),
  ];
}

/** The imports of the project's own files, by path. */
function ownImports(source: SourceFile): Import[] {
  return importsOf(source)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, ...item }) => ({ ...item, to: path.posix.join(path.posix.dirname(item.from), specifier) }));
}

test('the table of ARCHITECTURE.md has a row for each folder of src, and a folder for each row', () => {
  assert.deepEqual(rowProblems(rows, folders), []);
});

test('a row too many, a row too few and a row that stands twice are each told', () => {
  assert.deepEqual(rowProblems([...rows, rows[0]!, { folder: 'web', allowed: [], denied: [] }], [...folders, 'new']), [
    'ARCHITECTURE.md names web/, which src lacks',
    'src/new/ has no row in ARCHITECTURE.md',
    'ARCHITECTURE.md names model/ twice',
  ]);
});

test('every folder that a row lets another one import exists', () => {
  const known = new Set([...folders, ...[...files].map((file) => file.replace(/^src\/|\.ts$/g, ''))]);
  const missing = rows
    .flatMap(({ folder, allowed }) => allowed.map(({ target }) => ({ folder, target })))
    .filter(({ target }) => target !== '*' && !known.has(target))
    .map(({ folder, target }) => `${folder} may import ${target}, which src lacks`);
  assert.deepEqual(missing, []);
});

test('folders import one another by their doors and only as the architecture allows', () => {
  const problems = product.flatMap(ownImports).flatMap((item) => {
    if (item.to === 'package.json') return [];
    const outside = item.to.startsWith('src/') ? undefined : 'src imports nothing from outside src';
    const problem = outside ?? wallProblem(item, rows, files);
    return problem === undefined ? [] : [`${item.from} imports ${item.to}: ${problem}`];
  });
  assert.deepEqual(problems, []);
});

/** Imports that the table does not allow, and the sentence about each. */
const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['src/engine/x.ts', 'src/agent/index.ts', /^engine may import model, cluster, engine\/filters, lib only/],
  ['src/model/x.ts', 'src/unitfile/index.ts', /^model may import lib only/],
  ['src/router/x.ts', 'src/services/catalog.ts', /^the door of services is/],
  ['src/router/process/x.ts', 'src/router/haproxy/index.ts', /^router\/process may import router, services, lib only/],
  ['src/store/x.ts', 'src/store/embedded/index.ts', /^store may import/],
  ['src/store/grpc/x.ts', 'src/store/store.ts', /^store\/grpc may import lib only/],
  ['src/store/x.ts', 'src/store/grpc/frame.ts', /^the door of store\/grpc is/],
  ['src/daemon/x.ts', 'src/cli/context.ts', /^daemon may import/],
  ['src/cli/x.ts', 'src/lab/index.ts', /^cli may import/],
];

for (const [from, to, sentence] of REFUSED)
  test(`${from} may not import ${to}`, () => {
    assert.match(wallProblem({ from, to, typeOnly: false, lazy: false }, rows, files) ?? 'allowed', sentence);
  });

test('packages that belong to one concern are imported there alone', () => {
  const problems = product
    .flatMap(importsOf)
    .filter(({ from, specifier }) =>
      ONLY_IN.some(
        ({ module, folders }) => module.test(specifier) && !folders.some((folder) => from.startsWith(folder)),
      ),
    )
    .map(({ from, specifier }) => `${from} imports ${specifier}`);
  assert.deepEqual(problems, []);
});

test('no file imports itself by way of others, be it for types or later', () => {
  const graph = new Map(product.map((source) => [source.file, ownImports(source).map(({ to }) => to)]));
  assert.deepEqual(findCycles(graph), []);
});

/** One line per cycle found by a depth-first walk. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) cycles.push([...trail.slice(at), file].join(' -> '));
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return cycles;
}

test('every top folder of src has a door, or is a program', () => {
  const tops = folders.filter((folder) => !folder.includes('/'));
  assert.deepEqual(
    tops.filter((folder) => !files.has(`src/${folder}/index.ts`) && !files.has(`src/${folder}/main.ts`)),
    [],
  );
});
