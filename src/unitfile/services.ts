import { parseDuration, rowOf } from '../lib/index.ts';
import type { RouteRule } from '../model/index.ts';
import type { ServiceOptionName } from './option-table.ts';
import { awaitsInstance, expandedChars, expandSpecifiers, MAX_VALUE_CHARS } from './specifiers.ts';
import type { UnitOption, UnitProblem } from './unit-file.ts';
import { splitQuoted } from './values.ts';

/** A service that a unit declares: one [X-Service] section, or a part of one that begins with Name=. */
export interface DeclaredService {
  readonly name: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly routes: readonly RouteRule[];
  readonly check?: DeclaredCheck;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Milliseconds from leaving the catalog until the unit is stopped; absent: the cluster's default. */
  readonly drainMs?: number;
}

/** `Check=`: how to probe the service's own port. */
export type DeclaredCheck =
  | { readonly type: 'http' | 'https'; readonly path: string }
  | { readonly type: 'tcp' }
  | { readonly type: 'grpc'; readonly service: string }
  | { readonly type: 'script'; readonly args: readonly string[] }
  | { readonly type: 'ttl'; readonly ttlMs: number };

/** Limit for hosts times paths of one service: each pair is a route in every router of the cluster. */
const MAX_ROUTES = 256;
/** Limit for hosts times paths of all services of a unit. */
const MAX_UNIT_ROUTES = 1024;
const MAX_SERVICES = 64;
/**
 * Limit for the characters of one service with specifiers expanded; the catalog holds no more (MAX_REGISTRATION_BYTES).
 */
const MAX_SERVICE_CHARS = 65_536;
/**
 * Limit for the characters of all services of a unit. Words may have one character each, and each word takes time to
 * read.
 */
const MAX_UNIT_CHARS = 131_072;
const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 5_000;

/**
 * Reads the services that a unit declares, with specifiers (%n %N %p %i) resolved. Each further Name= begins another
 * service, since rewriting a unit file may join its sections of one name; the first service may omit Name= and is then
 * named like the unit (%p). `lines` are those of parseUnitFile. Never throws; a service with an error is left out.
 */
export function readServices(
  name: string,
  options: readonly UnitOption[],
  lines: readonly number[] = [],
): { services: DeclaredService[]; problems: UnitProblem[] } {
  const reader = new ServicesReader(name);
  options.forEach((option, i) => {
    if (option.section === 'X-Service') reader.read(option, lines[i] ?? 0);
    else reader.checkSection(option.section, lines[i] ?? 0);
  });
  return reader.finish();
}

/** A service while it is being read. */
interface Draft {
  readonly line: number;
  name: string;
  named: boolean;
  port?: number;
  readonly tags: string[];
  readonly meta: Map<string, string>;
  readonly hosts: string[];
  readonly paths: string[];
  check?: DeclaredCheck;
  intervalMs: number;
  timeoutMs: number;
  drainMs?: number;
  broken: boolean;
  /** Characters of all values read for this service. */
  chars: number;
}

type Set = (draft: Draft, value: string) => string | undefined;

/** Setters by option name; each returns the problem with its value, if any. */
const OPTIONS: Readonly<Record<ServiceOptionName, Set>> = {
  Name(draft, value) {
    draft.name = value;
    draft.named = true;
    const fits = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(value);
    return fits ? undefined : 'is no name for DNS: use letters, digits and hyphens';
  },
  Port(draft, value) {
    if (draft.port !== undefined) return 'is a second port of one service: another service begins with its Name=';
    draft.port = Number(value);
    return /^\d+$/.test(value) && draft.port > 0 && draft.port < 65_536 ? undefined : 'is no port from 1 to 65535';
  },
  Tags: (draft, value) => {
    draft.tags.push(...words(value));
    return undefined;
  },
  Meta(draft, value) {
    for (const pair of splitQuoted(value)) {
      const at = pair.indexOf('=');
      if (at < 1) return 'is not key=value';
      draft.meta.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return undefined;
  },
  Host(draft, value) {
    const hosts = words(value.toLowerCase());
    draft.hosts.push(...hosts);
    const good = hosts.every((host) => /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(host));
    return good ? undefined : 'is no host name, and none with "*." before it';
  },
  Path(draft, value) {
    const paths = words(value);
    draft.paths.push(...paths);
    return paths.every((path) => path.startsWith('/')) ? undefined : 'does not begin with "/"';
  },
  Check(draft, value) {
    const check = readCheck(value);
    if (check) draft.check = check;
    return check
      ? undefined
      : 'is none of http:/PATH, https:/PATH, tcp, grpc, grpc:SERVICE, script:COMMAND and ttl:TIME';
  },
  Interval: duration('intervalMs'),
  Timeout: duration('timeoutMs'),
  Drain: duration('drainMs'),
};

function duration(key: 'intervalMs' | 'timeoutMs' | 'drainMs'): Set {
  return (draft, value) => {
    const ms = parseDuration(value);
    if (ms === undefined || (ms === 0 && key !== 'drainMs')) return 'is no time like 2s, 500ms or 1min';
    draft[key] = ms;
    return undefined;
  };
}

function readCheck(value: string): DeclaredCheck | undefined {
  const [, type = '', rest = ''] = /^([a-z]+)(?::(.*))?$/s.exec(value) ?? [];
  switch (type) {
    case 'http':
    case 'https':
      return rest === '' || rest.startsWith('/') ? { type, path: rest || '/' } : undefined;
    case 'tcp':
      return rest === '' ? { type } : undefined;
    case 'grpc':
      return { type, service: rest };
    case 'script': {
      const args = splitQuoted(rest);
      return args.length > 0 ? { type, args } : undefined;
    }
    case 'ttl': {
      const ttlMs = parseDuration(rest);
      return ttlMs ? { type, ttlMs } : undefined;
    }
    default:
      return undefined;
  }
}

class ServicesReader {
  readonly problems: UnitProblem[] = [];
  readonly #drafts: Draft[] = [];
  readonly #strange = new globalThis.Set<string>();
  /** True once a limit is reached; further options are not read. */
  #isFull = false;
  #chars = 0;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  read({ name, value }: UnitOption, line: number): void {
    if (this.#isFull) return;
    const set = rowOf<Set>(OPTIONS, name);
    if (set === undefined) {
      this.#problem('warning', line, `unknown option ${name}= in [X-Service] is ignored`);
      return;
    }
    let draft = this.#drafts.at(-1);
    if (draft === undefined || (name === 'Name' && draft.named)) {
      this.#isFull = this.#drafts.length === MAX_SERVICES;
      if (this.#isFull) {
        this.#tooMany(line, `the unit declares more than ${MAX_SERVICES} services`);
        return;
      }
      draft = newDraft(line);
      this.#drafts.push(draft);
    }
    if (this.#isTooLong(draft, name, value, line)) return;
    const wrong = set(draft, expandSpecifiers(this.#name, value).trim());
    if (wrong === undefined || awaitsInstance(this.#name, value)) return;
    draft.broken = true;
    this.#problem('error', line, `${name}=${value} ${wrong}`);
  }

  #isTooLong(draft: Draft, name: string, value: string, line: number): boolean {
    if (draft.chars > MAX_SERVICE_CHARS) return true;
    const chars = expandedChars(this.#name, value);
    draft.chars += chars;
    const isLong = chars > MAX_VALUE_CHARS || draft.chars > MAX_SERVICE_CHARS;
    if (!isLong) this.#chars += chars;
    this.#isFull = this.#chars > MAX_UNIT_CHARS;
    if (!isLong && !this.#isFull) return false;
    draft.broken = true;
    if (this.#isFull) {
      this.#tooMany(line, `the services of the unit say more than ${MAX_UNIT_CHARS} characters together`);
      return true;
    }
    const what =
      chars > MAX_VALUE_CHARS
        ? `${name}= is longer than ${MAX_VALUE_CHARS}`
        : `a service says more than ${MAX_SERVICE_CHARS}`;
    this.#problem('error', line, `${what} characters: write less`);
    return true;
  }

  /** Warn about a misspelt section name, which systemd would ignore without a word. */
  checkSection(section: string, line: number): void {
    if (section.toLowerCase().replace(/[^a-z]/g, '') !== 'xservice') return;
    const known = this.#strange.has(section);
    this.#strange.add(section);
    if (!known) this.#problem('warning', line, `section [${section}] is ignored: did you mean [X-Service]?`);
  }

  finish(): { services: DeclaredService[]; problems: UnitProblem[] } {
    const seen = new Map<string, number>();
    for (const draft of this.#drafts) {
      if (!draft.named) this.#nameLikeUnit(draft);
      if (draft.port === undefined) this.#problem('error', draft.line, `the service ${draft.name} has no Port=`);
      draft.broken ||= draft.port === undefined;
      const routes = routesIn(draft);
      if (routes > MAX_ROUTES) {
        const what = `the service ${draft.name} has ${routes} routes (hosts times paths), at most ${MAX_ROUTES} fit`;
        this.#problem('error', draft.line, `${what}: declare another service`);
        draft.broken = true;
      }
      const same = `${draft.name}:${draft.port}`;
      if (seen.has(same) && !draft.broken)
        this.#problem('error', draft.line, `the service ${draft.name} stands here twice with the same Port=`);
      draft.broken ||= seen.has(same);
      seen.set(same, draft.line);
    }
    this.#checkAllRoutes();
    const services = this.#drafts.filter(({ broken }) => !broken).map(toService);
    return { services, problems: this.problems };
  }

  #checkAllRoutes(): void {
    const sound = this.#drafts.filter(({ broken }) => !broken);
    const routes = sound.reduce((sum, draft) => sum + routesIn(draft), 0);
    if (routes <= MAX_UNIT_ROUTES) return;
    const what = `the services of the unit have ${routes} routes together, at most ${MAX_UNIT_ROUTES} fit`;
    this.#tooMany(sound.at(-1)!.line, what);
    for (const draft of sound) draft.broken = true;
  }

  #tooMany(line: number, what: string): void {
    this.#problem('error', line, `${what}: divide it into several units`);
  }

  #nameLikeUnit(draft: Draft): void {
    const name = expandSpecifiers(this.#name, '%p');
    if (OPTIONS.Name(draft, name) === undefined) return;
    draft.broken = true;
    this.#problem('error', draft.line, `[X-Service] has no Name=, and the unit's own name ${name} is none for DNS`);
  }

  #problem(severity: UnitProblem['severity'], line: number, message: string): void {
    this.problems.push({ line, message, severity });
  }
}

function routesIn({ hosts, paths }: Draft): number {
  return Math.max(1, hosts.length) * Math.max(1, paths.length);
}

function newDraft(line: number): Draft {
  const times = { intervalMs: DEFAULT_INTERVAL_MS, timeoutMs: DEFAULT_TIMEOUT_MS };
  return {
    line,
    name: '',
    named: false,
    tags: [],
    meta: new Map(),
    hosts: [],
    paths: [],
    ...times,
    broken: false,
    chars: 0,
  };
}

function toService(draft: Draft): DeclaredService {
  const { name, port = 0, tags, meta, check, intervalMs, timeoutMs, drainMs } = draft;
  return {
    name,
    port,
    tags: [...new Set(tags)],
    meta: Object.fromEntries(meta),
    routes: routesOf(draft),
    ...(check ? { check } : {}),
    intervalMs,
    timeoutMs,
    ...(drainMs === undefined ? {} : { drainMs }),
  };
}

/** Combines each host with each path; a service without either has no rules. */
function routesOf({ hosts, paths }: Draft): RouteRule[] {
  if (hosts.length === 0) return paths.map((path) => ({ path }));
  return hosts.flatMap((host) => (paths.length === 0 ? [{ host }] : paths.map((path) => ({ host, path }))));
}

/** Splits a value at commas and blanks. */
function words(value: string): string[] {
  return splitQuoted(value.replaceAll(',', ' '));
}
