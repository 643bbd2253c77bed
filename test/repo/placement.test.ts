import assert from 'node:assert/strict';
import { test } from 'node:test';
import { places, productSources, sources } from './sources.ts';

interface Rule {
  readonly what: string;
  readonly pattern: RegExp;
  readonly allowed: RegExp;
}

/** What would make the product depend on the world in hidden ways has one place each. */
const RULES: readonly Rule[] = [
  {
    what: 'time comes from a Clock, so that the simulation can turn it',
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|(?<![.\w])set(Timeout|Interval)\(|timers\/promises/,
    allowed: /^src\/lib\//,
  },
  {
    what: 'chance comes from a Random, so that a seed repeats it',
    pattern: /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(|\brandomInt\(/,
    allowed: /^src\/lib\//,
  },
  {
    what: 'chance that strangers must not foretell comes from the system, not from float(), which is Math.random()',
    pattern: /\.float\(/,
    allowed: /^src\/(?!dns\/(forwarder|ask)\.|kv\/|store\/embedded\/)/,
  },
  {
    what: 'environment and arguments are read where programs begin',
    pattern: /\bprocess\.(env|argv)\b/,
    allowed: /^src\/(daemon|cli|lab)\//,
  },
  {
    what: "a listener that must go when its waiting is over is within's, or node:events' addAbortListener",
    pattern: /removeEventListener\('abort'/,
    allowed: /^src\/lib\/within\.ts$/,
  },
  { what: 'nothing is left for later', pattern: /\b(TODO|FIXME|XXX|HACK)\b/, allowed: /^$/ },
];

const product = productSources();

for (const { what, pattern, allowed } of RULES) {
  test(what, () => {
    const found = product.filter(({ file }) => !allowed.test(file)).flatMap((source) => places(source, pattern));
    assert.deepEqual(found, []);
  });
}

test('no test is left alone or switched off without a reason', () => {
  const tests = sources('src/**/*.test.ts', 'test/**/*.test.ts');
  const found = tests.flatMap((source) =>
    places(source, /\b(test|it|describe|suite)\.(only|skip|todo)\(|\bonly: true/),
  );
  assert.deepEqual(found, []);
});
