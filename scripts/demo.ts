/**
 * `npm run demo`: the failover tutorial plays itself in a lab of its own, with fleetctl as a person would type it. Exits
 * non-zero as soon as a step fails, and cleans up in any case.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = path.resolve(import.meta.dirname, '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-demo-'));
const env: NodeJS.ProcessEnv = {
  ...process.env,
  // As if it were installed, so that it speaks of itself as `fleetctl`.
  PATH: `${path.join(root, 'bin')}:${process.env['PATH']}`,
  FLOTILLA_LAB: path.join(folder, 'lab'),
};
for (const name of Object.keys(env)) if (/^FLEETCTL?_/.test(name)) delete env[name];
const STEP_LIMIT_MS = 30_000;
const MACHINES = 4;

interface LabMachine {
  readonly number: number;
  readonly id: string;
  readonly address: string;
  readonly endpoint: string;
  readonly state: string;
}

/** As the API gives it. */
interface UnitRow {
  readonly name: string;
  readonly machineID: string;
  readonly systemdActiveState: string;
}

class StepFailed extends Error {}

/** Runs fleetctl and answers what it printed; a failure fails the step. */
async function fleetctl(args: readonly string[], timeoutMs = STEP_LIMIT_MS): Promise<string> {
  const child = spawn(path.join(root, 'bin/fleetctl'), args, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const status = await new Promise<number | null>((resolve, reject) =>
    child.once('close', resolve).once('error', reject),
  );
  if (status === 0) return out;
  throw new StepFailed(`fleetctl ${args.join(' ')} exited with ${status}:\n${out}${err}`);
}

/** The same, shown as a person would see it. */
async function show(...args: string[]): Promise<void> {
  console.log(`  $ fleetctl ${args.map((arg) => arg.replace(`${folder}/`, '')).join(' ')}`);
  const out = await fleetctl(args);
  console.log(out.trimEnd().replace(/^/gm, '  '));
}

/** Asks again until there is an answer; fleetctl may well fail while machines die. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + STEP_LIMIT_MS;
  for (let last = ''; ; ) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      last = `; the last try: ${error.message}`;
    }
    if (performance.now() > deadline)
      throw new StepFailed(`${what} did not happen within ${STEP_LIMIT_MS / 1000} s${last}`);
    await sleep(50);
  }
}

async function machines(): Promise<readonly LabMachine[]> {
  return (JSON.parse(await fleetctl(['lab', 'status', '-o', 'json'])) as { machines: LabMachine[] }).machines;
}

/** The machine on which list-units says that hello.service is active. */
async function whereActive(): Promise<LabMachine | undefined> {
  const rows = JSON.parse(await fleetctl(['list-units', '-o', 'json'])) as UnitRow[];
  const row = rows.find((state) => state.name === 'hello.service' && state.systemdActiveState === 'active');
  return row === undefined ? undefined : (await machines()).find(({ id }) => id === row.machineID);
}

/** A port of the demo's own, so that a lab of yours may run beside it. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** It says hello on that machine, by the machine's own journal. */
async function saysHello(): Promise<true | undefined> {
  return (await fleetctl(['journal', '--lines', '3', 'hello.service'])).includes('Hello World') ? true : undefined;
}

let steps = 0;
async function step(title: string, play: () => Promise<void>): Promise<void> {
  console.log(`\n${++steps}. ${title}`);
  const startedAt = performance.now();
  await play();
  console.log(`  done in ${((performance.now() - startedAt) / 1000).toFixed(2)} s`);
}

async function playTutorial(): Promise<void> {
  let first: LabMachine;
  let second: LabMachine;
  await step(`A cluster of ${MACHINES} machines starts on this computer.`, async () => {
    await fleetctl(['lab', 'up', '--machines', String(MACHINES), '--detach', '--port', String(await freePort())]);
    await show('list-machines');
  });
  await step('We hand it a unit file, and throw our own copy away.', async () => {
    const file = path.join(folder, 'hello.service');
    copyFileSync(path.join(root, 'examples/hello.service'), file);
    await show('start', file);
    rmSync(file);
  });
  await step('Where does it run? The cluster has chosen a machine.', async () => {
    first = await until('hello.service active', whereActive);
    await show('list-units');
    await until('Hello World in the journal', saysHello);
    await show('journal', '--lines', '1', 'hello.service');
  });
  await step('That machine dies: every process on it is killed with -9. The others notice and take over.', async () => {
    await show('lab', 'kill', String(first.number));
    second = await until('failover', async () => {
      const now = await whereActive();
      return now?.number === first.number ? undefined : now;
    });
    console.log(
      `  It left machine ${first.number} (${first.address}) and runs on machine ${second.number} (${second.address}).`,
    );
    await show('list-units');
    await until('Hello World in the journal', saysHello);
  });
  await step('Now the power fails everywhere at once: store, machines, everything.', () => show('lab', 'outage'));
  await step('Only two machines come back, and neither has ever seen the file.', async () => {
    const strangers = (await machines())
      .filter(({ number }) => number !== first.number && number !== second.number)
      .slice(0, 2);
    await show('lab', 'restore', ...strangers.map(({ number }) => String(number)));
    const third = await until('hello.service active again', async () => {
      const now = await whereActive();
      return strangers.some(({ number }) => number === now?.number) ? now : undefined;
    });
    console.log(`  The service runs again, on machine ${third.number} (${third.address}).`);
    await until('Hello World in the journal', saysHello);
    await show('list-units');
  });
}

async function cleanUp(): Promise<void> {
  await fleetctl(['lab', 'down', '--wipe']).catch((error: unknown) => console.error(String(error)));
  rmSync(folder, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void cleanUp().then(() => process.exit(130)));

const startedAt = performance.now();
try {
  await playTutorial();
  console.log(
    `\nThe whole tutorial took ${((performance.now() - startedAt) / 1000).toFixed(1)} s. Try it by hand: npm run up`,
  );
} catch (error) {
  console.error(`\n✘ ${error instanceof StepFailed ? error.message : String(error)}`);
  showLogs();
  process.exitCode = 1;
} finally {
  await cleanUp();
}

/** What the machines logged, since the lab is about to be deleted. */
function showLogs(): void {
  for (const file of globSync(`${folder}/lab/{store,m*/fleetd}.log`))
    console.error(`\n${file}:\n${readFileSync(file, 'utf8').split('\n').slice(-25).join('\n')}`);
}
