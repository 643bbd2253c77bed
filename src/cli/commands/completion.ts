import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const completion: CommandSpec = {
  name: 'completion',
  summary: 'Print the completion script for bash, zsh or fish',
  usage: 'bash|zsh|fish',
  examples: [
    { line: 'source <(fleetctl completion bash)', about: 'For this shell; put it into ~/.bashrc' },
    { line: 'fleetctl completion fish | source', about: 'For fish' },
  ],
  flags: [],
  arguments: SHELLS,
  run,
};

async function run(context: Context): Promise<number> {
  const [shell, ...more] = context.args;
  const scripts = await import('../completion-scripts.ts');
  if (more.length > 0) {
    warn(context, `One shell at a time: fleetctl completion ${SHELLS.join('|')}`);
    return 2;
  }
  if (shell === 'bash') context.io.out(scripts.bashCompletion(context.commands.all));
  else if (shell === 'zsh') context.io.out(scripts.zshCompletion(context.commands.all));
  else if (shell === 'fish') context.io.out(scripts.fishCompletion(context.commands.all));
  else {
    warn(context, `Name a shell: fleetctl completion ${SHELLS.join('|')}`);
    return 2;
  }
  return 0;
}
