import { type Clock, type Log, messageOf, type Random } from '../lib/index.ts';
import type { Config } from './config-schema.ts';
import { runtimeOf } from './open-runtime.ts';

export interface ShutdownOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly prepare: () => Promise<void>;
  readonly goOn: () => void;
  readonly signal: AbortSignal;
}

/** Lets a machine with systemd shut down only once `prepare` is done; where that cannot be had it does not wait. */
export function prepareForShutdown({ config, env, ...rest }: ShutdownOptions): void {
  if (runtimeOf(config) !== 'systemd' || config.systemd_user) return;
  const busAddress = env['DBUS_SYSTEM_BUS_ADDRESS'] || 'unix:path=/run/dbus/system_bus_socket';
  import('../runtime/systemd/index.ts').then(
    ({ delayShutdown }) => delayShutdown({ busAddress, ...rest }),
    (error) => rest.log.warn('A shutdown does not wait for requests', { error: messageOf(error) }),
  );
}
