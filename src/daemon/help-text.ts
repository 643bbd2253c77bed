import { VERSION, wrapText } from '../lib/index.ts';
import { SETTINGS, type Setting } from './config-schema.ts';

const WIDTH = 80;
const NAME_WIDTH = 26;

/** Returns the text of `fleetd --help`. */
export function helpText(): string {
  return [
    `fleetd ${VERSION}: the daemon of one machine of a Flotilla cluster`,
    '',
    'Usage:',
    '  fleetd [--config FILE]     run this machine; by default /etc/fleet/fleet.conf',
    '  fleetd store --data-dir DIR [--listen H:P]',
    '                             serve the embedded store, in place of etcd on one',
    '                             computer',
    '  fleetd --version | --help',
    '',
    'Examples:',
    '  fleetd --config /etc/fleet/fleet.conf',
    '  FLEET_METADATA=region=eu,disk=ssd fleetd',
    '  fleetd store --data-dir /var/lib/flotilla-store --listen 127.0.0.1:2379',
    '',
    ...wrapText('Settings, as key=value lines of the file or as FLEET_<KEY> in the environment [default]:', WIDTH),
    ...Object.entries<Setting<unknown>>(SETTINGS).flatMap(([name, setting]) => settingLines(name, setting)),
  ].join('\n');
}

function settingLines(name: string, setting: Setting<unknown>): string[] {
  const value = setting.write(setting.default);
  const text = `  ${name.padEnd(NAME_WIDTH)} ${setting.description}${value === '' ? '' : ` [${value}]`}`;
  return wrapText(text, WIDTH, ' '.repeat(NAME_WIDTH + 3));
}
