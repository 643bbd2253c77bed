import { existsSync } from 'node:fs';
import { systemClock as clock, type Log, systemRandom as random } from '../lib/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { openSupervisor } from '../runtime/supervisor/index.ts';
import type { Config } from './config-schema.ts';

export interface OpenRuntimeOptions {
  readonly config: Config;
  readonly machineId: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How to start this program again in another role. */
  readonly self: { readonly command: string; readonly args: readonly string[] };
  readonly log: Log;
  /** Called whenever the supervisor process ended by itself and is started again. */
  readonly onRestart: () => void;
}

/** There where systemd is a machine's first process, and nowhere else (see sd_booted(3)). */
const SYSTEMD_IS_HERE = '/run/systemd/system';

/** What runs the units of this machine, by its `runtime` setting. */
export async function openRuntime(options: OpenRuntimeOptions): Promise<UnitRuntime> {
  const { config, log } = options;
  const found = config.systemd_user || existsSync(SYSTEMD_IS_HERE) ? 'systemd' : 'supervisor';
  const runtime = config.runtime === 'auto' ? found : config.runtime;
  log.info('Opening the runtime of units', { runtime });
  return runtime === 'systemd' ? openSystemdRuntime(options) : openSupervisorRuntime(options);
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

function openSupervisorRuntime({ config, self, ...rest }: OpenRuntimeOptions): Promise<UnitRuntime> {
  const { machineId, log, onRestart } = rest;
  const directory = `${config.state_directory}/supervisor`;
  const args = [...self.args, 'supervisor', '--dir', directory, '--machine-id', machineId];
  return openSupervisor({
    directory,
    spawn: { command: self.command, args },
    clock,
    random,
    log,
    machineId,
    onRestart,
  });
}
