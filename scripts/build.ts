/**
 * Bundles src/ into dist/: one CommonJS file per program, since one file starts fastest. Skips itself when dist/ is newer
 * than all sources, unless called with --force.
 */
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
const stamp = path.join(dist, '.built');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };

/** Programs start through a few lines that turn on Node's cache of compiled code, which saves them a third of their start. */
const PROGRAMS: Readonly<Record<string, string>> = { fleetctl: 'src/cli/main.ts', fleetd: 'src/daemon/main.ts' };
const PARTS: Readonly<Record<string, string>> = { lab: 'src/lab/index.ts' };

/**
 * Compiled code is kept beside the program, or in the user's own cache where that may not be written: without, every call
 * of fleetctl would compile anew, for 25 ms. Daemons are not always let to end by themselves, which is when Node would
 * write its cache.
 */
const launcher = (name: string): string => `
const m = require('node:module'), e = process.env;
let cache = __dirname + '/.cache';
try { require('node:fs').accessSync(cache, 2) } catch { cache = (e.XDG_CACHE_HOME || e.HOME + '/.cache') + '/flotilla' }
if (!cache.startsWith('undefined')) m.enableCompileCache(cache);
require('./${name}-main.cjs');
${name === 'fleetd' ? 'setTimeout(() => m.flushCompileCache(), 3000).unref();' : ''}
`;

/** The lab is a file of its own beside fleetctl's, read only by `fleetctl lab`. */
const labApart: Plugin = {
  name: 'lab-apart',
  setup(bundler) {
    bundler.onResolve({ filter: /\/lab\/index\.ts$/ }, ({ importer }) =>
      importer.includes('/src/cli/') ? { path: './lab.cjs', external: true } : undefined,
    );
  },
};

function isCurrent(): boolean {
  const builtAt = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = globSync(['src', 'src/**/', 'src/**/*.ts', 'package.json', 'scripts/build.ts'], { cwd: root });
  return sources.every((file) => file.endsWith('.test.ts') || statSync(path.join(root, file)).mtimeMs <= builtAt);
}

async function bundle(): Promise<void> {
  const work = path.join(dist, `.work-${process.pid}`);
  mkdirSync(work, { recursive: true });
  // The stamp carries the time at which reading began: what is edited meanwhile counts as newer.
  writeFileSync(path.join(work, '.built'), `${version}\n`);
  try {
    await build({
      absWorkingDir: root,
      entryPoints: {
        ...PARTS,
        ...Object.fromEntries(Object.entries(PROGRAMS).map(([name, file]) => [`${name}-main`, file])),
      },
      outdir: work,
      outExtension: { '.js': '.cjs' },
      bundle: true,
      platform: 'node',
      target: 'node24',
      format: 'cjs',
      minifySyntax: true,
      minifyWhitespace: true,
      keepNames: false,
      external: ['lmdb'],
      plugins: [labApart],
      define: {
        'import.meta.dirname': '__dirname',
        'import.meta.filename': '__filename',
        'import.meta.url': '__importMetaUrl',
      },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the template belongs to the bundle, not to this file
      banner: { js: 'const __importMetaUrl=`file://${encodeURI(__filename)}`;' },
      logLevel: 'warning',
    });
    mkdirSync(path.join(dist, '.cache'), { recursive: true });
    for (const name of Object.keys(PROGRAMS)) writeFileSync(path.join(work, `${name}.cjs`), launcher(name));
    // Node by another name: `pidof fleetd` goes by the first argument.
    // Relative: a clone may stand elsewhere in a container or on another machine.
    symlinkSync(path.relative(dist, process.execPath), path.join(work, 'fleetd'));
    renameSync(path.join(work, 'fleetd'), path.join(dist, 'fleetd'));
    for (const file of globSync('*.cjs', { cwd: work })) renameSync(path.join(work, file), path.join(dist, file));
    renameSync(path.join(work, '.built'), stamp);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  if (process.argv.includes('--force') || !isCurrent()) await bundle();
} catch {
  // esbuild has printed what is wrong and where.
  process.exitCode = 1;
}
