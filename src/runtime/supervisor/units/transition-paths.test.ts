import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EXEC_PHASES, type ExecPhase } from '../spec/index.ts';
import { SERVICE_STATES, type ServiceState } from './states.ts';
import { specWith } from './test-service.ts';
import { ServiceModel } from './test-service-model.ts';

const counts = fc.record(
  Object.fromEntries(EXEC_PHASES.map((phase) => [phase, fc.nat(2)])) as Record<ExecPhase, fc.Arbitrary<number>>,
);
const spec = fc
  .tuple(
    counts,
    fc.record({
      type: fc.constantFrom('simple', 'exec', 'oneshot', 'forking', 'notify'),
      restart: fc.constantFrom('no', 'always', 'on-failure'),
      remainAfterExit: fc.boolean(),
      guessMainPid: fc.boolean(),
      pidFile: fc.constantFrom(undefined, '/run/x.pid'),
      runtimeMaxMs: fc.constantFrom(1000, Number.POSITIVE_INFINITY),
    }),
    fc.record({ mode: fc.constantFrom('control-group', 'mixed', 'process', 'none'), sendSigkill: fc.boolean() }),
  )
  .map(([commands, { pidFile, ...rest }, kill]) => {
    return specWith(commands, { ...rest, ...(pidFile === undefined ? {} : { pidFile }) }, kill).spec;
  });

/** A stop goes through at most eleven states, some of them once for each of two commands. */
const MAX_TIMEOUTS = 15;
const STEPS_PER_TIMEOUT = 3;

test('every path ends in dead or failed once a stop is asked for, whatever happens on the way', () => {
  const seen = new Set<ServiceState>();
  fc.assert(
    fc.property(spec, fc.nat(60), fc.infiniteStream(fc.nat(1_000_000)), (given, steps, draws) => {
      const model = new ServiceModel(given, (below) => draws.next().value! % below);
      const watch = (happens: () => void) => {
        happens();
        seen.add(model.state);
      };
      for (let step = 0; step < steps; step++) watch(() => model.step());
      watch(() => model.stop());
      // Nothing is sure to happen but that time goes by.
      for (let timeout = 0; timeout < MAX_TIMEOUTS && !model.isOver; timeout++) {
        for (let step = 0; step < STEPS_PER_TIMEOUT && !model.isOver; step++) watch(() => model.step());
        if (!model.isOver) watch(() => model.timeOut());
      }
      assert.ok(model.isOver, `${model.state} after:\n${model.trail}`);
    }),
    { numRuns: 3000 },
  );
  // The paths went everywhere.
  assert.deepEqual([...seen].sort(), [...SERVICE_STATES].sort());
});
