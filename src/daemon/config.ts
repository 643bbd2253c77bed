import { readFileSync } from 'node:fs';
import { FlotillaError, messageOf, systemReason } from '../lib/index.ts';
import { type Config, SETTINGS, type Setting, type SettingName, unquote } from './config-schema.ts';

export const DEFAULT_CONFIG_FILE = '/etc/fleet/fleet.conf';

export interface LoadedConfig {
  readonly config: Config;
  /** Sentences to log: settings without effect, unknown keys, ignored parts of values. */
  readonly notices: readonly string[];
  /** Known settings that have no effect any more. */
  readonly ignored: readonly string[];
}

/**
 * Reads the settings of `file` (or of the default file if it exists), each overridden by FLEET_<UPPER> of `env`. Throws
 * a FlotillaError that names the place for an invalid value, or for a named file that does not exist.
 */
export function loadConfig(file: string | undefined, env: Readonly<Record<string, string | undefined>>): LoadedConfig {
  const path = file ?? DEFAULT_CONFIG_FILE;
  const text = readConfigFile(path, file !== undefined);
  const notices: string[] = [];
  const values = new Map<string, { value: string; where: string }>();
  for (const { key, value, line } of parseConfigText(text, path)) {
    if (Object.hasOwn(SETTINGS, key)) values.set(key, { value, where: `${path}:${line}` });
    else notices.push(`${path}:${line}: unknown setting ${key} is ignored`);
  }
  for (const [key, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const name = `FLEET_${key.toUpperCase()}`;
    const value = env[name];
    if (value || (value === '' && setting.mayBeEmpty)) values.set(key, { value, where: name });
  }
  const ignored = [...values].flatMap(([name, { where }]) => {
    const setting: Setting<unknown> = SETTINGS[name as SettingName];
    return setting.ignored ? [`${where}: ${name} has no effect any more`] : [];
  });
  return { config: settle(values, notices), notices, ignored };
}

function settle(values: ReadonlyMap<string, { value: string; where: string }>, notices: string[]): Config {
  const config: Record<string, unknown> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const setting: Setting<unknown> = SETTINGS[name];
    const given = values.get(name);
    config[name] = given ? parseSetting(name, setting, given) : setting.default;
    const passedOver = given && setting.passedOver?.(unquote(given.value.trim()));
    if (passedOver) notices.push(`${given.where}: ${name}: ${passedOver}`);
  }
  return config as Config;
}

function parseSetting(name: string, setting: Setting<unknown>, given: { value: string; where: string }): unknown {
  try {
    return setting.parse(unquote(given.value.trim()));
  } catch (error) {
    throw new FlotillaError('usage', `${given.where}: ${name}: ${messageOf(error)}`);
  }
}

function readConfigFile(path: string, mustExist: boolean): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!mustExist && (error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new FlotillaError('usage', `cannot read configuration file ${path}: ${systemReason(error)}`);
  }
}

function* parseConfigText(text: string, path: string): Generator<{ key: string; value: string; line: number }> {
  let line = 0;
  for (const raw of text.split(/\r?\n/)) {
    line++;
    const trimmed = raw.trim();
    if (trimmed === '' || /^[#;[]/.test(trimmed)) continue;
    const at = trimmed.indexOf('=');
    if (at < 1)
      throw new FlotillaError('usage', `${path}:${line}: expected key=value, found ${JSON.stringify(trimmed)}`);
    yield { key: trimmed.slice(0, at).trim(), value: trimmed.slice(at + 1), line };
  }
}

/** Returns what is wrong with a setting as a sentence; undefined when fleetd accepts it. */
export function settingProblem(name: string, value: string): string | undefined {
  if (!Object.hasOwn(SETTINGS, name)) return `fleetd has no setting ${name}: fleetd --help lists those there are`;
  try {
    parseSetting(name, SETTINGS[name as SettingName], { value, where: value });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
