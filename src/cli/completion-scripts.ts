import type { CommandSpec } from './command.ts';
import type { FlagSpec } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';

// Runs on each press of the tab key: hence the short timeout and no errors.
const UNITS = 'fleetctl --request-timeout=1 list-unit-files --no-legend --fields=unit 2>/dev/null';

// Machines by name and by id; the list shows a dash for a machine without a name.
const MACHINES =
  "fleetctl --request-timeout=1 list-machines --no-legend --full --fields=hostname,machine 2>/dev/null | tr -s '\\t' '\\n' | grep -vx -e -";

// `lab status` starts nothing, and lists machines of a stopped lab too.
const LAB_MACHINES = "fleetctl lab status 2>/dev/null | grep -o '^[0-9][0-9]*'";

const SERVICES = 'fleetctl --request-timeout=1 services --no-legend 2>/dev/null | cut -f1';

function shownOf(commands: readonly CommandSpec[]): readonly CommandSpec[] {
  return commands.filter((command) => !command.hidden);
}

function shownFlags(flags: readonly FlagSpec[]): FlagSpec[] {
  return flags.filter((flag) => !flag.deprecated);
}

function longNames(flags: readonly FlagSpec[]): string {
  return shownFlags(flags)
    .map((flag) => `--${flag.name}`)
    .join(' ');
}

/** Returns bash's cases for flags with values, by command: one name may mean different flags in two commands. */
function bashValues(shown: readonly CommandSpec[]): string[] {
  const owned = shown.flatMap((command) => command.flags.map((flag) => [command.name, flag] as const));
  const globals = GLOBAL_FLAGS.map((flag) => ['*', flag] as const);
  return [...owned, ...globals].flatMap(([command, flag]) => {
    if (flag.kind === 'bool') return [];
    const names = [`--${flag.name}`, ...(flag.short ? [`-${flag.short}`] : [])];
    return [`    ${names.map((name) => `${command}:${name}`).join('|')}) ${bashReply(flag)}; return ;;`];
  });
}

function bashReply({ choices, offers, value }: FlagSpec): string {
  if (choices) return `COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$cur"))`;
  if (offers === 'machines') return `COMPREPLY=($(compgen -W "$(${MACHINES})" -- "$cur"))`;
  if (offers) {
    return `COMPREPLY=($(compgen -P "\${cur%"\${cur##*,}"}" -W "${offers.join(' ')}" -- "\${cur##*,}"))`;
  }
  return value === 'FILE' ? 'COMPREPLY=($(compgen -f -- "$cur"))' : ':';
}

/** Returns the subcommands whose arguments are machines of a lab. */
function ofLab({ subcommands = [] }: CommandSpec): string[] {
  return subcommands.filter((part) => part.ofLab).map(({ name }) => name);
}

function commandNames(shown: readonly CommandSpec[]): string {
  return shown.map((command) => command.name).join(' ');
}

function bashArguments(command: CommandSpec, shown: readonly CommandSpec[]): string {
  switch (command.arguments) {
    case 'none':
      return '';
    case 'commands':
      return `words="${commandNames(shown)}"`;
    case 'units':
      return `words="$(${UNITS})"`;
    case 'machines':
      return `words="$(${MACHINES})"`;
    case 'machines-or-units':
      return `words="$(${MACHINES}; ${UNITS})"`;
    case 'services':
      return `words="$(${SERVICES})"`;
    case 'files':
      return `words="$(${UNITS})"; files=1`;
    default: {
      const parts = `words="${command.arguments.join(' ')}"`;
      const named = ofLab(command);
      if (named.length === 0) return parts;
      return `case \${COMP_WORDS[i+1]} in ${named.join('|')}) ((COMP_CWORD > i + 1)) && words="$(${LAB_MACHINES})" || ${parts} ;; *) ${parts} ;; esac`;
    }
  }
}

/** Returns the script for bash's `complete`. */
export function bashCompletion(commands: readonly CommandSpec[]): string {
  const shown = shownOf(commands);
  const cases = shown.map((command) => {
    const flags = longNames(command.flags);
    return `    ${command.name}) flags="${flags}"; [[ $cur == -* ]] || { ${bashArguments(command, shown) || ':'}; } ;;`;
  });
  const valueFlags = [...GLOBAL_FLAGS, ...shown.flatMap((command) => command.flags)].filter(
    (flag) => flag.kind !== 'bool',
  );
  return `# bash completion for fleetctl: source <(fleetctl completion bash)
_fleetctl() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= words= flags= files= i
  local globals="${longNames(GLOBAL_FLAGS)}"
  COMPREPLY=()
  # Bash makes words of their own of "=" and ":".
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
    ${[...new Set(valueFlags.map((flag) => `--${flag.name}`))].join('|')}) ((i++)); [[ \${COMP_WORDS[i]} != = ]] || ((i++)) ;;
    -*|:|//*) ;;
    *) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $command:$prev in
${bashValues(shown).join('\n')}
  esac
  case $command in
    '') words="${commandNames(shown)}" ;;
${cases.join('\n')}
  esac
  if [[ $cur == -* ]]; then words="$flags $globals"; files=; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n $files ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -F _fleetctl fleetctl
`;
}

/** Returns the script for zsh's completion system. */
export function zshCompletion(all: readonly CommandSpec[]): string {
  const shown = shownOf(all);
  const commands = shown.map((command) => `    ${zshQuote(`${command.name}:${command.summary}`)}`);
  const cases = shown.map((command) => {
    const flags = [...shownFlags(command.flags), ...shownFlags(GLOBAL_FLAGS)].map(zshFlag);
    return `    ${command.name}) _arguments -S ${[...flags, ...zshArguments(command)].join(' ')} ;;`;
  });
  return `#compdef fleetctl
# zsh completion for fleetctl: source <(fleetctl completion zsh)
_fleetctl_units() {
  local -a units
  units=(\${(f)"$(${UNITS})"})
  compadd -a units
}
_fleetctl_machines() {
  local -a machines
  machines=(\${(f)"$(${MACHINES})"})
  compadd -a machines
}
_fleetctl_machines_or_units() { _fleetctl_machines; _fleetctl_units }
_fleetctl_lab_machines() {
  local -a machines
  case $words[2] in
    ${shown.flatMap(ofLab).join('|')}) machines=(\${(f)"$(${LAB_MACHINES})"}); compadd -a machines ;;
  esac
}
_fleetctl_services() {
  local -a services
  services=(\${(f)"$(${SERVICES})"})
  compadd -a services
}
_fleetctl_units_or_files() { _fleetctl_units; _files }
_fleetctl_commands() {
  local -a commands
  commands=(
${commands.join('\n')}
  )
  _describe command commands
}
_fleetctl() {
  local curcontext=$curcontext state line
  _arguments -C -S ${shownFlags(GLOBAL_FLAGS).map(zshFlag).join(' ')} '1:command:_fleetctl_commands' '*::argument:->arguments'
  [[ $state == arguments ]] || return
  case $line[1] in
${cases.join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _fleetctl "$@"; else compdef _fleetctl fleetctl; fi
`;
}

/** Formats a flag in its long form and, if it has one, its short form. */
function zshFlag(flag: FlagSpec): string {
  const about = flag.about.replace(/[[\]:]/g, ' ');
  const value = flag.kind === 'bool' ? '' : `:${(flag.value ?? 'value').replaceAll(':', ' ')}:${zshOffers(flag)}`;
  const long = zshQuote(`--${flag.name}${flag.kind === 'bool' ? '' : '='}[${about}]${value}`);
  return flag.short ? `${long} ${zshQuote(`-${flag.short}[${about}]${value}`)}` : long;
}

function zshOffers({ choices, offers }: FlagSpec): string {
  if (choices) return `(${choices.join(' ')})`;
  if (offers === 'machines') return '_fleetctl_machines';
  return offers ? `_values -s , column ${offers.join(' ')}` : '';
}

function zshArguments(command: CommandSpec): string[] {
  switch (command.arguments) {
    case 'none':
      return [];
    case 'commands':
      return ["'1:command:_fleetctl_commands'"];
    case 'units':
      return ["'*:unit:_fleetctl_units'"];
    case 'machines':
      return ["'*:machine:_fleetctl_machines'"];
    case 'machines-or-units':
      return ["'1:machine:_fleetctl_machines_or_units'"];
    case 'services':
      return ["'1:service:_fleetctl_services'"];
    case 'files':
      return ["'*:unit:_fleetctl_units_or_files'"];
    default:
      return [
        `'1:argument:(${command.arguments.join(' ')})'`,
        ...(ofLab(command).length > 0 ? ["'*:machine:_fleetctl_lab_machines'"] : []),
      ];
  }
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Returns the script for fish's `complete`. */
export function fishCompletion(commands: readonly CommandSpec[]): string {
  const shown = shownOf(commands);
  const lines = ['# fish completion for fleetctl: fleetctl completion fish | source', 'complete -c fleetctl -f'];
  for (const flag of shownFlags(GLOBAL_FLAGS)) lines.push(fishFlag(flag, ''));
  for (const command of shown) {
    const inside = `-n '__fish_seen_subcommand_from ${command.name}' `;
    lines.push(`complete -c fleetctl -n __fish_use_subcommand -a ${command.name} -d ${fishQuote(command.summary)}`);
    for (const flag of shownFlags(command.flags)) lines.push(fishFlag(flag, inside));
    const words = fishArguments(command, shown);
    const { subcommands = [] } = command;
    const first =
      subcommands.length === 0
        ? ''
        : `; and not __fish_seen_subcommand_from ${subcommands.map(({ name }) => name).join(' ')}`;
    if (words) lines.push(`complete -c fleetctl -n '__fish_seen_subcommand_from ${command.name}${first}' ${words}`);
    const parts = ofLab(command);
    if (parts.length > 0) {
      const condition = `__fish_seen_subcommand_from ${command.name}; and __fish_seen_subcommand_from ${parts.join(' ')}`;
      lines.push(`complete -c fleetctl -n '${condition}' -a ${fishQuote(`(${LAB_MACHINES})`)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function fishFlag(flag: FlagSpec, condition: string): string {
  const short = flag.short ? ` -s ${flag.short}` : '';
  const takes = flag.kind === 'bool' ? '' : flag.value === 'FILE' ? ' -r -F' : ' -x';
  const offers = fishOffers(flag);
  const values = offers === '' ? '' : ` -a ${fishQuote(offers)}`;
  return `complete -c fleetctl ${condition}-l ${flag.name}${short}${takes}${values} -d ${fishQuote(flag.about)}`;
}

function fishOffers({ choices, offers }: FlagSpec): string {
  if (choices) return choices.join(' ');
  if (offers === 'machines') return `(${MACHINES})`;
  return offers ? `(__fish_complete_list , "string split , ${offers.join(',')}")` : '';
}

function fishArguments(command: CommandSpec, shown: readonly CommandSpec[]): string {
  switch (command.arguments) {
    case 'none':
      return '';
    case 'commands':
      return `-a ${fishQuote(commandNames(shown))}`;
    case 'units':
      return `-a ${fishQuote(`(${UNITS})`)}`;
    case 'machines':
      return `-a ${fishQuote(`(${MACHINES})`)}`;
    case 'machines-or-units':
      return `-a ${fishQuote(`(${MACHINES}; ${UNITS})`)}`;
    case 'services':
      return `-a ${fishQuote(`(${SERVICES})`)}`;
    case 'files':
      return `-F -a ${fishQuote(`(${UNITS})`)}`;
    default:
      return `-a ${fishQuote(command.arguments.join(' '))}`;
  }
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
