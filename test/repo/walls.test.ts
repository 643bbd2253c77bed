import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { productSources, type SourceFile, withoutComments } from './sources.ts';

/**
 * Who may import whom, besides lib, which anyone may. A folder missing here may import nothing but lib. `daemon` and `lab`
 * put everything together, so they may import all but the two faces, cli and web.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  model: [],
  lib: [],
  unitfile: ['model'],
  store: [],
  cluster: ['model', 'store'],
  engine: ['model', 'cluster'],
  agent: ['model', 'unitfile', 'cluster', 'runtime', 'store'],
  runtime: ['model', 'unitfile'],
  services: ['model', 'cluster'],
  containers: ['services'],
  // Pairs and sessions have an area of the store and rules of their own, which no other part needs to know.
  kv: ['store'],
  consul: ['services', 'kv'],
  dns: ['services'],
  router: ['services'],
  api: ['model', 'unitfile', 'cluster', 'runtime', 'services', 'engine', 'router'],
  client: ['api/schema'],
  cli: ['model', 'unitfile', 'client'],
  web: ['client'],
};

/** Implementations which only those who put everything together may pick. */
const INNER_DOORS: readonly string[] = [
  'src/store/embedded/index.ts',
  'src/runtime/supervisor/index.ts',
  'src/runtime/systemd/index.ts',
];

/** Outside packages and builtins that belong to one place. */
const ONLY_IN: readonly { readonly module: RegExp; readonly folders: readonly string[] }[] = [
  { module: /^lmdb$/, folders: ['src/store/embedded/'] },
  { module: /^undici$/, folders: ['src/router/process/'] },
  { module: /^dbus/, folders: ['src/runtime/systemd/'] },
  { module: /^(hono|@hono)/, folders: ['src/api/', 'src/consul/', 'src/web/', 'src/daemon/'] },
];

interface Import {
  readonly from: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

function importsOf({ file, text }: SourceFile): Import[] {
  const code = withoutComments(text);
  const still = code.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm);
  const lazy = code.matchAll(/\bimport\(\s*'([^']+)'/g);
  return [
    ...[...still].map(([, type, specifier]) => ({ from: file, specifier: specifier!, typeOnly: !!type, lazy: false })),
    ...[...lazy].map(([, specifier]) => ({ from: file, specifier: specifier!, typeOnly: false, lazy: true })),
  ];
}

/** `src/engine/x.ts` → `engine`. */
const folderOf = (file: string): string => file.split('/')[1]!;

function wallProblem(item: Import): string | undefined {
  const target = path.posix.join(path.posix.dirname(item.from), item.specifier);
  const [here, there] = [folderOf(item.from), folderOf(target)];
  if (target === 'package.json') return undefined;
  if (!target.startsWith('src/'))
    return item.from.startsWith('src/') ? 'src imports nothing from outside src' : undefined;
  if (here === there) return undefined;
  const door = `src/${there}/index.ts`;
  const composes = ['daemon', 'lab'].includes(here);
  if (composes && INNER_DOORS.includes(target)) return undefined;
  const inner = target.replace(/^src\//, '').replace(/\.ts$/, '');
  const allowed = MAY_IMPORT[here] ?? [];
  if (allowed.includes(inner)) return undefined;
  // The API's schema names the parts of a unit file by their type alone, to cost its readers nothing.
  if (target !== door && !(inner === 'unitfile/unit-file' && item.typeOnly)) return `the door of ${there} is ${door}`;
  if (there === 'lib' || allowed.includes(there)) return undefined;
  // The lab is a program of its own which `fleetctl lab` loads when it is asked for.
  if (here === 'cli' && there === 'lab' && item.lazy) return undefined;
  if (composes && !['cli', 'web'].includes(there)) return undefined;
  return `${here} may import ${[...allowed, 'lib'].join(', ')} only`;
}

const product = productSources();

test('folders import one another by their doors and only as the architecture allows', () => {
  const problems = product
    .flatMap(importsOf)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .flatMap((item) => {
      const problem = wallProblem(item);
      return problem === undefined ? [] : [`${item.from} imports ${item.specifier}: ${problem}`];
    });
  assert.deepEqual(problems, []);
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

test('no file imports itself by way of others', () => {
  const graph = new Map(
    product.map((source) => [
      source.file,
      importsOf(source)
        .filter(({ specifier, typeOnly, lazy }) => specifier.startsWith('.') && !typeOnly && !lazy)
        .map(({ specifier }) => path.posix.join(path.posix.dirname(source.file), specifier)),
    ]),
  );
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

test('every folder of src has a door, or is a program', () => {
  const folders = new Set(product.map(({ file }) => folderOf(file)));
  const files = new Set(product.map(({ file }) => file));
  assert.deepEqual(
    [...folders].filter((folder) => !files.has(`src/${folder}/index.ts`) && !files.has(`src/${folder}/main.ts`)),
    [],
  );
});
