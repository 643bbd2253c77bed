import type { CommandSpec } from './command.ts';
import { cat } from './commands/cat.ts';
import { completion } from './commands/completion.ts';
import { destroy } from './commands/destroy.ts';
import { events } from './commands/events.ts';
import { help } from './commands/help.ts';
import { journal } from './commands/journal.ts';
import { lab } from './commands/lab.ts';
import { listMachines } from './commands/list-machines.ts';
import { listUnitFiles } from './commands/list-unit-files.ts';
import { listUnits } from './commands/list-units.ts';
import { load } from './commands/load.ts';
import { resolve } from './commands/resolve.ts';
import { restart } from './commands/restart.ts';
import { router } from './commands/router.ts';
import { services } from './commands/services.ts';
import { fdForward, ssh } from './commands/ssh.ts';
import { start } from './commands/start.ts';
import { status } from './commands/status.ts';
import { stop } from './commands/stop.ts';
import { submit } from './commands/submit.ts';
import { unload } from './commands/unload.ts';
import { verify } from './commands/verify.ts';
import { version } from './commands/version.ts';
import { wait } from './commands/wait.ts';
import { why } from './commands/why.ts';

/** All commands, in the order of the help text. */
export const COMMANDS: readonly CommandSpec[] = [
  cat,
  completion,
  destroy,
  events,
  help,
  journal,
  lab,
  listMachines,
  listUnitFiles,
  listUnits,
  load,
  resolve,
  restart,
  router,
  services,
  ssh,
  start,
  status,
  stop,
  submit,
  unload,
  version,
  wait,
  why,
  verify,
  fdForward,
];

/**
 * Commands that fleet did not have. An abbreviation that was unique in fleet keeps its meaning, even if one of these
 * has the same beginning.
 */
export const BEYOND_FLEET: ReadonlySet<CommandSpec> = new Set([
  completion,
  events,
  lab,
  resolve,
  router,
  services,
  wait,
  why,
]);
