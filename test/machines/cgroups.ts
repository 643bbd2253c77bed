import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';

const MOUNT = '/sys/fs/cgroup';
/** Hierarchies of cgroup v1 in which a machine gets a group of its own; the others it shares with the host. */
const V1: readonly string[] = ['systemd', 'unified', 'memory', 'cpuacct', 'cpu', 'pids'];

/** The directory of a machine's control group in every hierarchy of this host. */
export function cgroupsOf(name: string): readonly string[] {
  const roots = existsSync(`${MOUNT}/cgroup.controllers`) ? [MOUNT] : V1.map((controller) => `${MOUNT}/${controller}`);
  return roots.filter((root) => existsSync(root)).map((root) => path.join(root, name));
}

export function makeCgroups(name: string): void {
  for (const directory of cgroupsOf(name)) mkdirSync(directory, { recursive: true });
}

/** Removes a machine's groups with all below them; false while processes of it are still ending. */
export function removeCgroups(name: string): boolean {
  return cgroupsOf(name).every((directory) => removeTree(directory));
}

function removeTree(directory: string): boolean {
  if (!existsSync(directory)) return true;
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of below) removeTree(path.join(directory, name));
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return false;
  }
}
