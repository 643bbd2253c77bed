import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock as clock, type Log, systemRandom as random } from '../lib/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { openSupervisor } from '../runtime/supervisor/index.ts';
import type { Config } from './config-schema.ts';
import type { StateDirectory } from './state-directory.ts';

export interface OpenRuntimeOptions {
  readonly config: Config;
  readonly machineId: string;
  readonly state: StateDirectory;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command that starts this program in another role. */
  readonly self: { readonly command: string; readonly args: readonly string[] };
  readonly log: Log;
  /** Called when the supervisor process ended by itself and is started again. */
  readonly onRestart: () => void;
}

/** Exists exactly where systemd is the machine's first process (sd_booted(3)). */
const SYSTEMD_IS_HERE = '/run/systemd/system';

/** Opens the runtime selected by the `runtime` setting. */
export async function openRuntime(options: OpenRuntimeOptions): Promise<UnitRuntime> {
  const runtime = runtimeOf(options.config);
  options.log.info('Opening the runtime of units', { runtime });
  return runtime === 'systemd' ? openSystemdRuntime(options) : openSupervisorRuntime(options);
}

export function runtimeOf({ runtime, systemd_user: user }: Config): 'systemd' | 'supervisor' {
  const found = user || existsSync(SYSTEMD_IS_HERE) ? 'systemd' : 'supervisor';
  return runtime === 'auto' ? found : runtime;
}

async function openSystemdRuntime({ config, env, log }: OpenRuntimeOptions): Promise<UnitRuntime> {
  const { openSystemd } = await import('../runtime/systemd/index.ts');
  const { units_directory: unitsDirectory, systemd_user: user } = config;
  const busAddress = user ? userBus(env) : env['DBUS_SYSTEM_BUS_ADDRESS'];
  return openSystemd({ unitsDirectory, user, clock, random, log, ...(busAddress ? { busAddress } : {}) });
}

function userBus(env: OpenRuntimeOptions['env']): string | undefined {
  const directory = env['XDG_RUNTIME_DIR'];
  return env['DBUS_SESSION_BUS_ADDRESS'] || (directory ? `unix:path=${directory}/bus` : undefined);
}

function openSupervisorRuntime({ state, self, ...rest }: OpenRuntimeOptions): Promise<UnitRuntime> {
  const { machineId, log, onRestart } = rest;
  const directory = join(state.path, 'supervisor');
  const args = ['supervisor', '--dir', directory, '--machine-id', machineId, '--promise', state.promiseFile];
  return openSupervisor({
    directory,
    spawn: { command: self.command, args: [...self.args, ...args] },
    clock,
    random,
    log,
    machineId,
    onRestart,
  });
}
