import { METRIC_FAMILIES, type MetricFamily } from '../../src/api/metric-families.ts';
import { CLUSTER_KEYS } from '../../src/cluster/key-table.ts';
import { SETTINGS, type Setting } from '../../src/daemon/config-schema.ts';
import { KV_KEYS } from '../../src/kv/key-table.ts';
import { ERRORS, type ErrorRow } from '../../src/lib/errors.ts';
import { SERVICE_LINES, UNIT_LINES } from '../../src/runtime/supervisor/spec/directive-lines.ts';
import { FLEET_OPTIONS, SERVICE_OPTIONS } from '../../src/unitfile/index.ts';
import { code, page, table } from './markdown.ts';

/** docs/reference/settings.md */
export function settingsPage(): string {
  const settings = Object.entries<Setting<unknown>>(SETTINGS);
  return page(
    'Settings of fleetd',
    '`src/daemon/config-schema.ts`',
    `A setting is a line \`key=value\` of /etc/fleet/fleet.conf (or of the file after \`--config\`), and \`FLEET_KEY\` in the environment,
which goes first. A list is \`a,b\` or \`["a", "b"]\`; a duration is \`30s\`, \`1m30s\`, \`500ms\`. fleetd takes over \`metadata\`,
\`public_ip\` and \`node_name\` at \`systemctl reload fleetd\`, other settings when it starts.`,
    table(
      ['setting', 'type', 'default', 'environment', 'means'],
      settings.map(([name, setting]) => [
        code(name),
        setting.type,
        code(setting.write(setting.default)),
        code(`FLEET_${name.toUpperCase()}`),
        setting.description,
      ]),
    ),
  );
}

/** docs/reference/unit-files.md */
export function unitFilesPage(): string {
  return page(
    'Options of a unit file',
    '`src/unitfile/option-table.ts` and `src/runtime/supervisor/spec/directive-lines.ts`',
    `In every value of [X-Fleet] and [X-Service], \`%n\` stands for the unit's name, \`%N\` for its name without suffix, \`%p\` for its prefix,
\`%i\` for its instance.`,
    '## [X-Fleet]: where it runs',
    table(
      ['option', 'example', 'means', 'older spellings'],
      Object.entries(FLEET_OPTIONS).map(([name, { about, example, legacy }]) => [
        code(`${name}=`),
        code(example),
        about,
        legacy.map((spelling) => code(`${spelling}=`)).join(', '),
      ]),
    ),
    '## [X-Service]: what it offers',
    table(
      ['option', 'means', 'default'],
      Object.entries(SERVICE_OPTIONS).map(([name, { about, default: value }]) => [code(`${name}=`), about, value]),
    ),
    '## Directives of the built-in supervisor',
    `Where systemd runs the units, all directives of its version are there. The supervisor, in a lab and with \`runtime=supervisor\`,
carries out these, as systemd does, and refuses a unit that sets one which only systemd can carry out.`,
    '### [Unit]',
    directives(UNIT_LINES),
    '### [Service]',
    directives(SERVICE_LINES),
  );
}

function directives(lines: Readonly<Record<string, string>>): string {
  return table(
    ['directive', 'does'],
    Object.entries(lines).map(([name, line]) => [code(`${name}=`), line]),
  );
}

/** docs/reference/errors.md */
export function errorsPage(): string {
  return page(
    'Errors',
    '`src/lib/errors.ts`',
    `Each error has a code that stays the same from version to version, beside a sentence for people. fleetctl prints the sentence on
stderr; with \`-o json\` it prints one line of JSON there:`,
    '```\n$ fleetctl --endpoint http://127.0.0.1:1 list-machines -o json\n{"error":{"code":"unavailable","message":"cannot reach the fleet API at http://127.0.0.1:1 (connection refused). Is fleetd running there? Name another with --endpoint, or start a cluster on this computer: fleetctl lab up"}}\n```',
    `What a command says of one of several units, \`Unit nosuch.service does not exist.\`, stays a sentence.`,
    table(
      ['code', 'means', 'what to do', 'exit status', 'HTTP status', 'worth trying again'],
      Object.entries<ErrorRow>(ERRORS).map(([name, { meaning, remedy, exit, http, retry }]) => [
        code(name),
        meaning,
        remedy,
        String(exit),
        String(http),
        retry ? 'yes' : 'no',
      ]),
    ),
  );
}

/** docs/reference/metrics.md */
export function metricsPage(): string {
  return page(
    'Metrics',
    '`src/api/metric-families.ts`',
    `\`GET /metrics\` of the API, as Prometheus text. A scrape counts what the machine has in memory and asks no store; without a scrape
nothing is counted. Units are those of the machine that is asked, so that the sum over machines is the cluster's; machines and
services are the cluster's as that machine sees it, so take them from one. Durations are in seconds.`,
    table(
      ['name', 'kind', 'labels', 'means'],
      Object.entries<MetricFamily>(METRIC_FAMILIES).map(([name, { kind, labels = [], help }]) => [
        code(name),
        kind,
        labels.map(code).join(', '),
        help,
      ]),
    ),
  );
}

/** docs/reference/store-keys.md */
export function storeKeysPage(): string {
  const rows = [...Object.values(CLUSTER_KEYS), ...Object.values(KV_KEYS)].sort((a, b) => (a.key < b.key ? -1 : 1));
  return page(
    'Keys in the store',
    '`src/cluster/key-table.ts` and `src/kv/key-table.ts`',
    `Every key begins with \`etcd_key_prefix\` (default \`${SETTINGS.etcd_key_prefix.default}\`). Values are JSON objects unless said otherwise; they do
not repeat what the key says. ID is the id of a machine, 32 hexadecimal digits, or \`external:\` and the name, in lower case, of a
computer without fleetd. [Who writes on which condition](../store-layout.md) has a page of its own.`,
    table(
      ['key', 'value', 'written by', 'lease', 'read by'],
      rows.map(({ key, value, writtenBy, lease, readBy }) => [code(key), value, writtenBy, lease, readBy]),
    ),
  );
}
