import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, rmdirSync } from 'node:fs';
import { until } from '../../src/lib/test-until.ts';

/**
 * What keeps `what`, made of these programs in namespaces of its own, from being run here, for the test's skip; in CI it
 * has to be there, so there it throws.
 */
export function whyNotHere(what: string, programs: readonly string[]): string | undefined {
  const reason = missing(what, programs);
  if (reason !== undefined && process.env['CI'] === 'true')
    throw new Error(`${what} has to be there in CI, but ${reason}`);
  return reason;
}

/** Debian's packages of programs that are called otherwise. */
const PACKAGES: Readonly<Record<string, string>> = {
  dockerd: 'docker.io',
  docker: 'docker.io',
  busybox: 'busybox-static',
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
};

function missing(what: string, programs: readonly string[]): string | undefined {
  if (process.getuid!() !== 0) return `running ${what} takes root`;
  const absent = programs.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  const packages = absent.map((name) => PACKAGES[name.slice(name.lastIndexOf('/') + 1)] ?? name);
  if (absent.length > 0) return `missing ${absent.join(', ')}: apt-get install ${packages.join(' ')}`;
  const spaces = spawnSync('unshare', ['-m', '-n', '-p', '--fork', '--mount-proc', 'true'], { encoding: 'utf8' });
  return spaces.status === 0 ? undefined : `no namespaces here: ${spaces.stderr.trim()}`;
}

/** Of unshare or nsenter that is the first process of the namespaces, or in them. */
export function firstChild(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]) || undefined;
  } catch {
    return undefined;
  }
}

/** Removes the control groups of that name and those within, once their processes have ended. */
export async function removeGroups(name: string): Promise<void> {
  // Innermost first; groups whose last process is just ending refuse for a moment.
  const groups = () => globSync([`/sys/fs/cgroup/{*/,}${name}{,/**}/`]).sort((a, b) => b.length - a.length);
  await until('the control groups are gone', () => {
    for (const group of groups()) removeGroup(group);
    return groups().length === 0;
  });
}

function removeGroup(group: string): void {
  try {
    rmdirSync(group);
  } catch (error) {
    if (!['ENOENT', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
