import assert from 'node:assert/strict';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { runLab } from './index.ts';

const NOBODY = 65534;
const skip = process.getuid!() === 0 ? false : 'directories of another user take root';

const CASES: readonly (readonly [args: readonly string[], uid: number, shown: string])[] = [
  [['down'], NOBODY, 'sudo -u nobody FLOTILLA_LAB=LAB fleetctl lab down'],
  [['down', '-wipe'], NOBODY, 'sudo -u nobody FLOTILLA_LAB=LAB fleetctl lab down -wipe'],
  [['kill', '1'], NOBODY, 'sudo -u nobody FLOTILLA_LAB=LAB fleetctl lab kill 1'],
  [['up', '--metadata', "a=b c'd"], NOBODY, "sudo -u nobody FLOTILLA_LAB=LAB fleetctl lab up --metadata 'a=b c'\\''d'"],
  [['outage'], 4_000_000, "sudo -u '#4000000' FLOTILLA_LAB=LAB fleetctl lab outage"],
];
for (const [args, uid, command] of CASES)
  test(`root who runs lab ${args.join(' ')} on a lab of uid ${uid} is told the command`, { skip }, async (t) => {
    const lab = mkdtempSync(path.join(tmpdir(), 'lab-'));
    t.after(() => rmSync(lab, { recursive: true }));
    chownSync(lab, uid, uid);
    const said: string[] = [];
    const [out, err] = [(text: string) => void said.push(text), (text: string) => void said.push(text)];
    const env = { FLOTILLA_LAB: lab, PATH: path.join(import.meta.dirname, '../../bin') };
    assert.equal(await runLab(args, { out, err, env }), 2);
    const user = /-u '?([^ ']+)/.exec(command)![1];
    assert.equal(
      said.join(''),
      `the lab in ${lab} belongs to ${user}, not to root: ${command.replace('LAB=LAB', `LAB=${lab}`)}\n`,
    );
    assert.deepEqual(readdirSync(lab), []);
  });
