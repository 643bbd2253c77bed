/** Alternative names of commands, as users of docker and kubectl type them. */
export const ALIASES: ReadonlyMap<string, string> = new Map([
  ['logs', 'journal'],
  ['ps', 'list-units'],
]);

/** fleetctl's counterparts, with arguments, of commands of docker, nomad, kubectl, systemctl and journalctl. */
const OURS: ReadonlyMap<string, string> = new Map([
  ...same('start', ['run', 'enable', 'apply', 'up', 'deploy', 'launch']),
  ...same('submit', ['create', 'add', 'link', 'push', 'register', 'daemon-reload']),
  ...same('stop', ['kill', 'pause', 'down']),
  ...same('unload', ['disable', 'unlink', 'mask', 'evict']),
  ...same('destroy', ['rm', 'remove', 'delete', 'del', 'purge', 'prune', 'deregister']),
  ...same('restart', ['reload', 'try-restart', 'reload-or-restart', 'reset-failed']),
  ...same('start --replace', ['replace', 'update', 'upgrade', 'rollout', 'edit', 'patch', 'set']),
  ...same('list-units', ['get', 'ls', 'list', 'units', 'jobs', 'pods', 'containers', 'top']),
  ...same('list-machines', ['node', 'nodes', 'server', 'members', 'info', 'machines']),
  ...same('status', ['inspect', 'is-active', 'is-failed', 'show-status', 'alloc']),
  ...same('why', ['describe', 'explain', 'plan']),
  ...same('cat', ['show', 'view']),
  ...same('journal', ['log', 'journalctl']),
  ...same('journal -f', ['attach', 'tail', 'monitor']),
  ...same('ssh', ['exec', 'shell', 'login', 'sh']),
  ...same('services', ['svc', 'service', 'endpoints', 'catalog', 'port']),
  ...same('router routes', ['ingress', 'routes']),
  ...same('events', ['history', 'watch']),
]);

function same(ours: string, words: readonly string[]): (readonly [string, string])[] {
  return words.map((word) => [word, ours] as const);
}

/** Returns fleetctl's counterpart of another program's command, if there is one. */
export function ourWord(word: string): string | undefined {
  return OURS.get(word.toLowerCase());
}
