import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isFlotillaError } from '../lib/index.ts';
import { isRunning, type LabState, readLab, writeLab } from './lab-state.ts';
import { addMachines, newLab } from './new-lab.ts';
import { identify } from './process-identity.ts';

function withDirectory(play: (lab: string) => void): void {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fl-'));
  try {
    play(path.join(folder, 'lab'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function twoMachines(lab: string): LabState {
  const state = newLab(49_153, '5s');
  addMachines(lab, state, 2);
  Object.assign(state.machines[0]!, identify(process.pid), { state: 'up' });
  return state;
}

test('no directory is no lab', () => withDirectory((lab) => assert.equal(readLab(lab), undefined)));

test('what is written is read back, with the states that the processes really have', () =>
  withDirectory((lab) => {
    const state = twoMachines(lab);
    Object.assign(state.machines[1]!, { pid: process.pid, startTime: 1, state: 'up' });
    writeLab(lab, state);
    const read = readLab(lab)!;
    assert.deepEqual(
      read.machines.map((machine) => machine.state),
      ['up', 'daemon-dead'],
    );
    assert.equal(isRunning(read), true);
    assert.deepEqual({ ...read, machines: [] }, { ...state, machines: [] });
  }));

test('after a reboot of the computer nothing runs, whoever has the pids now', () =>
  withDirectory((lab) => {
    writeLab(lab, { ...twoMachines(lab), bootId: 'another boot' });
    const read = readLab(lab)!;
    assert.equal(isRunning(read), false);
    assert.deepEqual(
      read.machines.map(({ state, pid }) => [state, pid]),
      [
        ['dead', 0],
        ['dead', 0],
      ],
    );
  }));

test('a file that cannot be trusted is refused and left alone', () =>
  withDirectory((lab) => {
    writeLab(lab, twoMachines(lab));
    const file = path.join(lab, 'lab.json');
    const good = readFileSync(file, 'utf8');
    const bad = [
      '',
      '{',
      'null',
      '[]',
      '{"version":2}',
      good.replace('"up"', '7'),
      good.replace(/"id": "./, '"id": "x'),
    ];
    for (const text of bad) {
      writeFileSync(file, text);
      assert.throws(
        () => readLab(lab),
        (error) => isFlotillaError(error, 'damaged') && /--wipe/.test(error.message),
        text,
      );
      assert.equal(readFileSync(file, 'utf8'), text);
    }
  }));

test('machines without a lab.json are not taken for an empty place', () =>
  withDirectory((lab) => {
    mkdirSync(path.join(lab, 'm1'), { recursive: true });
    assert.throws(
      () => readLab(lab),
      (error) => isFlotillaError(error, 'damaged'),
    );
  }));

test('where the path is too long for a socket the machine has none', () => {
  const state = newLab(49_153, '5s');
  addMachines(`/tmp/${'x'.repeat(100)}`, state, 1);
  addMachines('/tmp/lab', state, 2);
  assert.deepEqual(
    state.machines.map(({ socket }) => socket),
    [undefined, '/tmp/lab/m2/fleet.sock'],
  );
});
