import { spawnSync } from 'node:child_process';

const INSIDE = 'FLOTILLA_TEST_HAS_OWN_NETWORK';

/**
 * Runs this test file in a network of its own, where no port is taken and docker's bridge touches nobody. To be called
 * before anything else of the file: it returns in there only. Takes root.
 */
export function enterOwnNetwork(): void {
  if (process.env[INSIDE] === 'true') return;
  const node = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // Whoever kills this process means the one inside.
  const enter = ['--pdeathsig', 'KILL', 'unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
  const env = { ...process.env, [INSIDE]: 'true' };
  const { status } = spawnSync('setpriv', [...enter, ...node], { stdio: 'inherit', env });
  process.exit(status ?? 1);
}
