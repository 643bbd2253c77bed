/** Follows the guides to the letter, in a lab: what their `console` blocks show is what the commands print. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../../src/lib/test-free-port.ts';
import { LabFixture, type LabMachine } from './lab-fixture.ts';

const root = path.resolve(import.meta.dirname, '../..');
const GUIDES = globSync(['docs/tutorial.md', 'docs/how-to/*.md'], { cwd: root }).sort();

/** A unit file that the guide has its reader write, or commands with what they print. */
type Step =
  | { readonly kind: 'write'; readonly file: string; readonly text: string }
  | { readonly kind: 'run'; readonly command: string; readonly printed: readonly string[] };

function stepsOf(guide: string): Step[] {
  const steps: Step[] = [];
  // Every second part stands between fences.
  const parts = readFileSync(path.join(root, guide), 'utf8').split(/^```/m);
  for (let at = 1; at < parts.length; at += 2) {
    const body = parts[at]!.slice(parts[at]!.indexOf('\n') + 1);
    const file = /`([\w@.-]+)`:\n\n$/.exec(parts[at - 1]!)?.[1];
    if (parts[at]!.startsWith('ini\n') && file !== undefined) steps.push({ kind: 'write', file, text: body });
    if (parts[at]!.startsWith('console\n')) steps.push(...commandsOf(body));
  }
  return steps;
}

function commandsOf(block: string): Step[] {
  const commands = block.split(/^\$ /m).slice(1);
  return commands.map((lines) => {
    const [command, ...printed] = lines.trimEnd().split('\n');
    return { kind: 'run', command: command!, printed };
  });
}

/** What differs from run to run stands as a word. */
function general(line: string): string {
  return line
    .replace(/[0-9a-f]{32}/g, 'ID')
    .replace(/[0-9a-f]{8}\.\.\./g, 'ID')
    .replace(/127\.0\.1\.\d/g, 'ADDRESS')
    .replace(/\bm\d\b/g, 'NAME')
    .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?|[A-Z][a-z]{2} [ \d]\d [\d:]{8} [\w-]+/g, 'TIME')
    .replace(/\[\d+\]/g, '[PID]')
    .replace(/(?<=[@:]| port | )\d{4,5}\b/g, 'PORT')
    .replace(/\d+(\.\d+)?s\b/g, 'SPAN')
    .replace(/achine \d/g, 'achine N')
    .replace(/(kill|revive) \d/g, '$1 N')
    .replace(/units \(\d+\)/g, 'units (N)')
    .replace(/\t\d+\t/g, '\tN\t')
    .replace(/\s+/g, ' ')
    .trim();
}

const WAITS = /; still trying for /;
/** Other programs may have the usual ports. */
const OTHER_PORTS = / cannot be had on this computer; /;

/** Machines are listed by their ids, which are drawn: the order of lines is not compared. `…` stands for any lines. */
function assertPrinted(command: string, printed: readonly string[], expected: readonly string[]): void {
  const shown = expected.filter((line) => line !== '…').map(general);
  // What fleetctl waits for depends on how busy the computer is: guides show it where it is the point.
  const waits = shown.some((line) => WAITS.test(line));
  const actual = printed.map(general).filter((line) => (waits || !WAITS.test(line)) && !OTHER_PORTS.test(line));
  if (expected.includes('…')) {
    const missing = shown.filter((line) => !actual.includes(line));
    assert.deepEqual(missing, [], `${command} printed:\n${printed.join('\n')}`);
  } else {
    assert.deepEqual(actual.sort(), shown.sort(), command);
  }
}

for (const guide of GUIDES.filter((file) => stepsOf(file).some(({ kind }) => kind === 'run')))
  describe(guide, () => {
    const lab = new LabFixture();
    let machines: readonly LabMachine[];
    let killed: string | undefined;
    const ports = new Map<string, string>();
    before(async () => {
      await lab.up();
      machines = await lab.machines();
      for (const port of ['8081', '8082']) ports.set(port, String(await freePort()));
      symlinkSync(path.join(root, 'examples'), path.join(lab.folder, 'examples'));
      mkdirSync(path.join(lab.folder, 'bin'));
      writeFileSync(path.join(lab.folder, 'bin/sudo'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
    });
    after(() => lab.dispose());

    /** The guide's usual ports and addresses become those of this lab. */
    async function here(line: string): Promise<string> {
      const runs = (await lab.whereActive('hello.service'))?.number;
      const [first] = machines as [LabMachine];
      return line
        .replace(/\b808[12]\b/g, (port) => ports.get(port)!)
        .replaceAll('http://127.0.1.1/', `http://127.0.1.1:${first.routerPort}/`)
        .replace('-p 8600', `-p ${first.dnsPort}`)
        .replace('--unix-socket /run/fleet.sock http://localhost/', `${first.endpoint}/`)
        .replace(/^(fleetctl lab kill) 3/, `$1 ${runs}`)
        .replace(/^(fleetctl lab revive) 3/, `$1 ${killed}`);
    }

    async function run(command: string): Promise<string[]> {
      killed = /^fleetctl lab kill (\d)/.exec(command)?.[1] ?? killed;
      const env = { ...lab.env, PATH: `${lab.folder}/bin:${root}/bin:${process.env['PATH']}` };
      const child = spawn('sh', ['-c', `exec 2>&1; ${command}`], {
        cwd: lab.folder,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const out = await text(child.stdout);
      return out.split('\n').filter((line) => line !== '');
    }

    for (const [index, step] of stepsOf(guide).entries())
      test(`${index + 1}: ${step.kind === 'write' ? step.file : step.command}`, async () => {
        if (step.kind === 'write') {
          writeFileSync(
            path.join(lab.folder, step.file),
            step.text.replace(/\b808[12]\b/g, (port) => ports.get(port)!),
          );
          return;
        }
        const expected = await Promise.all(step.printed.map(here));
        assertPrinted(step.command, await run(await here(step.command)), expected);
      });
  });
