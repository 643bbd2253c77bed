import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMachines, newLab } from './new-lab.ts';
import { keepSettings, metadataOf, readMachineMetadata, readMetadata, readSetting, settingsOf } from './settings.ts';

test('metadata and settings of all machines and of one add up, and an empty value takes one back', () => {
  const state = newLab(49_153, '5s');
  addMachines('/lab', state, 2);
  const [first, second] = state.machines;
  keepSettings(state, {
    metadata: [...readMetadata('region=eu, disk=ssd'), ...readMachineMetadata('2:region=us')],
    settings: [readSetting('drain_time=5s'), readSetting('2:drain_time=0s'), readSetting('dns_listen=127.0.0.1:5353')],
  });
  assert.equal(metadataOf(state, first!), 'region=eu,disk=ssd');
  assert.equal(metadataOf(state, second!), 'region=us,disk=ssd');
  assert.equal(settingsOf(state, second!).get('drain_time'), '0s');
  assert.equal(settingsOf(state, first!).get('dns_listen'), '127.0.0.1:5353');
  keepSettings(state, { metadata: readMetadata('disk='), settings: [readSetting('drain_time=')] });
  assert.equal(metadataOf(state, first!), 'region=eu');
  assert.equal(settingsOf(state, first!).has('drain_time'), false);
  assert.throws(() => keepSettings(state, { metadata: readMachineMetadata('3:a=b'), settings: [] }), {
    code: 'usage',
    message: 'there is no machine 3 in the lab, which has 2',
  });
});

const REFUSED: readonly [read: () => unknown, message: RegExp][] = [
  [() => readMetadata('region'), /^--metadata: "region" is not KEY=VALUE$/],
  [() => readMachineMetadata('region=us'), /^--machine: region=us is not NUMBER:KEY=VALUE, as in 2:region=us$/],
  [() => readSetting('nonsense=1'), /^--set: fleetd has no setting nonsense: fleetd --help lists those there are$/],
  [() => readSetting('__proto__=1'), /^--set: fleetd has no setting __proto__/],
  [() => readSetting('drain_time=soon'), /^--set: .*drain_time/],
  [() => readSetting('listen=127.0.0.1:1'), /^--set: the lab chooses listen itself: use --port$/],
  [() => readSetting('machine_id=x'), /^--set: the lab chooses machine_id itself$/],
  [() => readSetting('drain_time=5s\nlisten=0.0.0.0:1'), /^--set: a value is one line$/],
];

test('what cannot be a setting is refused', () => {
  for (const [read, message] of REFUSED) assert.throws(read, { code: 'usage', message });
});
