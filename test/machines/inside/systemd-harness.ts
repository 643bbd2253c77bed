import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { systemClock as clock, createLog, systemRandom as random } from '../../../src/lib/index.ts';
import type { UnitRuntime } from '../../../src/runtime/index.ts';
import { openSystemd } from '../../../src/runtime/systemd/index.ts';

/** A runtime on the systemd of this machine, with a units directory of its own. */
export interface SystemdHarness extends AsyncDisposable {
  readonly runtime: UnitRuntime;
  readonly unitsDirectory: string;
  /** What the runtime logged. */
  readonly logged: readonly string[];
  /** Closes the runtime and opens another one on the same units. */
  reopen(): Promise<SystemdHarness>;
}

/** Its units end when it is disposed of. */
export async function openSystemdHarness(directory?: string): Promise<SystemdHarness> {
  const unitsDirectory = directory ?? mkdtempSync('/run/units-');
  const logged: string[] = [];
  const log = createLog((line) => logged.push(line), 'debug');
  const open = () => openSystemd({ unitsDirectory, clock, random, log });
  const runtime = await open();
  return {
    runtime,
    unitsDirectory,
    logged,
    async reopen() {
      await runtime.close();
      return openSystemdHarness(unitsDirectory);
    },
    async [Symbol.asyncDispose]() {
      await runtime.close();
      const last = await open();
      const unload = (await last.units()).map((unit) => unit.name);
      await last.apply({ unload, load: [] });
      await last.close();
      rmSync(path.resolve(unitsDirectory), { recursive: true, force: true });
    },
  };
}
