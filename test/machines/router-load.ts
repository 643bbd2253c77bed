import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Outcome } from '../e2e/steady-requests.ts';
import type { Fleet } from './fleet.ts';
import type { Machine } from './machine.ts';

export interface RouterLoadOptions {
  readonly perSecond: number;
  readonly method?: string;
}

/** Requests to a machine's router, from somebody on the machines' network. */
export class RouterLoad {
  readonly #child;
  #output = '';

  constructor(fleet: Fleet, machine: Machine, { perSecond, method = 'GET' }: RouterLoadOptions) {
    const script = path.join(import.meta.dirname, 'load.ts');
    const args = [...process.execArgv, script, machine.address, '80', String(perSecond), method];
    const [command, all] = fleet.set.network.inside(process.execPath, args);
    this.#child = spawn(command, all, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout.on('data', (data: Buffer) => {
      this.#output += data;
    });
  }

  /** Ends it; answers what became of each request, in times of `Date.now()`, and how many were never answered. */
  async stop(): Promise<{ readonly outcomes: readonly Outcome[]; readonly open: number }> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    await ended;
    return JSON.parse(this.#output);
  }
}
