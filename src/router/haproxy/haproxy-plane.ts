import type { ChildProcess } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Clock, FlotillaError, type Log, messageOf } from '../../lib/index.ts';
import { type CertificateFile, watchCertificates } from '../certificate-files.ts';
import type { BackendReport, DataPlane, RouterSettings } from '../data-plane.ts';
import type { Backend, RouteTable } from '../route-table.ts';
import { checkConfiguration, startHaproxy } from './haproxy-process.ts';
import { renderHaproxy, renderIndex } from './render-haproxy.ts';
import { askHaproxy, readStats, renewCertificates } from './runtime-api.ts';
import { assignSlots, haveSameShape, type Section } from './slots.ts';
import { readWaitingRequests } from './waiting-requests.ts';

export interface HaproxyPlaneOptions {
  readonly settings: RouterSettings;
  readonly table: RouteTable;
  /** For HAProxy's configuration and sockets. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when HAProxy ends by itself. */
  readonly onEnd: () => void;
}

/** The length of sun_path, less the suffix that HAProxy appends while it creates the socket. */
const MAX_SOCKET_PATH = 95;
/** A HAProxy that has not ended after this time hangs, and is killed. */
const END_TIMEOUT_MS = 5000;

/** Carries requests by HAProxy. Changes go through its runtime API; only new hosts, paths and slots need a restart. */
export async function openHaproxyPlane(options: HaproxyPlaneOptions): Promise<DataPlane> {
  const plane = new HaproxyPlane(options);
  await plane.start(options.table);
  return plane;
}

class HaproxyPlane implements DataPlane {
  readonly #options: HaproxyPlaneOptions;
  readonly #socket: string;
  #sections: readonly Section[] = [];
  #certificates: readonly CertificateFile[] = [];
  #unwatch: () => void = () => {};
  #child: ChildProcess | undefined;
  #closing = false;
  /** Runs one change after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: HaproxyPlaneOptions) {
    this.#options = options;
    this.#socket = path.join(options.directory, 'haproxy.sock');
    if (Buffer.byteLength(this.#socket) > MAX_SOCKET_PATH)
      throw new FlotillaError('usage', `state_directory: ${options.directory} is too long for HAProxy's socket`);
  }

  get listening(): readonly string[] {
    const { listen, listenTls } = this.#options.settings;
    const shown = (scheme: string) => (address: { readonly host: string; readonly port: number }) =>
      `${scheme}://${address.host}:${address.port}`;
    return [...listen.map(shown('http')), ...listenTls.map(shown('https'))];
  }

  async start(table: RouteTable): Promise<void> {
    mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 });
    if (this.#options.settings.listenTls.length > 0) this.#readCertificates();
    const started = this.#configure(assignSlots(table.routes, []));
    this.#turn = started.catch(() => {});
    await started;
  }

  #readCertificates(): void {
    const { settings, clock, log } = this.#options;
    const onChange = (files: readonly CertificateFile[]) => {
      // `#renew` has logged the error.
      this.#inTurn(() => this.#renew(files)).catch(() => {});
    };
    const watched = watchCertificates({ directory: settings.certificates, clock, log, onChange });
    this.#certificates = watched.files;
    this.#unwatch = watched.close;
  }

  /** Uses the runtime API when only the contents of files have changed, so that no connection is closed. */
  async #renew(files: readonly CertificateFile[]): Promise<void> {
    const before = this.#certificates;
    this.#certificates = files;
    const sameFiles = files.length === before.length && files.every(({ file }, at) => file === before[at]!.file);
    const changed = files.filter(({ pem }, at) => pem !== before[at]?.pem);
    if (sameFiles && (await renewCertificates(this.#socket, changed))) return;
    await this.#configure(this.#sections);
  }

  use(table: RouteTable): Promise<void> {
    return this.#inTurn(() => this.#use(table));
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step);
    this.#turn = turn.catch((error) =>
      this.#options.log.error('HAProxy keeps its last configuration', { error: messageOf(error) }),
    );
    return turn;
  }

  async #use({ routes, machines }: RouteTable): Promise<void> {
    const before = this.#sections;
    const sections = assignSlots(routes, before);
    const lost = lostServers(before, sections, new Set(machines));
    if (haveSameShape(sections, before)) await this.#tell(sections);
    else if (lost.size > 0) await this.#tell(vacate(before, lost));
    await this.#moveRequests(lost);
    if (!haveSameShape(sections, before)) await this.#configure(sections);
  }

  async #tell(sections: readonly Section[]): Promise<void> {
    const commands = sections.flatMap((section, index) => commandsFor(section, this.#sections[index]!));
    if (commands.length > 0) refuseComplaints(await askHaproxy(this.#socket, commands));
    this.#sections = sections;
  }

  /**
   * Ends requests at servers of lost machines, from which no response will come. If no response has begun, HAProxy
   * retries a repeatable request on another server (`retry-on empty-response`).
   */
  async #moveRequests(lost: ReadonlySet<string>): Promise<void> {
    if (lost.size === 0) return;
    const waiting = readWaitingRequests(await askHaproxy(this.#socket, ['show sess all']), lost);
    if (waiting.length === 0) return;
    await askHaproxy(
      this.#socket,
      waiting.map((id) => `shutdown session ${id}`),
    );
  }

  /** Writes the configuration aside, checks it, then moves it into place: the file is always the one in use. */
  async #configure(sections: readonly Section[]): Promise<void> {
    const { settings, directory, clock } = this.#options;
    const files = { socket: this.#socket, index: path.join(directory, 'index.html') };
    const file = path.join(directory, 'haproxy.cfg');
    writeFileSync(files.index, renderIndex(sections.map(({ route }) => route)));
    const hasCertificates = this.#certificates.length > 0;
    writeFileSync(`${file}.new`, renderHaproxy(settings, sections, { ...files, hasCertificates }), { mode: 0o600 });
    await checkConfiguration(`${file}.new`);
    renameSync(`${file}.new`, file);
    const { accessLog } = settings;
    const child = await startHaproxy(file, { directory, socket: this.#socket, accessLog, clock });
    this.#sections = sections;
    this.#child = child;
    child.once('exit', () => {
      if (this.#child === child && !this.#closing) this.#options.onEnd();
    });
  }

  async drain(backendId: string): Promise<void> {
    const names = this.#sections.flatMap(({ name, slots }) =>
      slots.flatMap((slot, index) => (slot?.id === backendId ? [`${name}/s${index}`] : [])),
    );
    if (names.length === 0) return;
    refuseComplaints(
      await askHaproxy(
        this.#socket,
        names.map((name) => `set server ${name} state drain`),
      ),
    );
    await this.#idle(new Set(names));
  }

  async #idle(names: ReadonlySet<string>): Promise<void> {
    for (;;) {
      const stats = readStats(await askHaproxy(this.#socket, ['show stat']));
      const busy = stats.some(({ section, server, active }) => names.has(`${section}/${server}`) && active > 0);
      if (!busy || this.#closing) return;
      await this.#options.clock.sleep(20);
    }
  }

  async backends(): Promise<readonly BackendReport[]> {
    const stats = readStats(await askHaproxy(this.#socket, ['show stat']));
    const byName = new Map(stats.map((stat) => [`${stat.section}/${stat.server}`, stat]));
    return this.#sections.flatMap(({ name, route, slots }) =>
      slots.flatMap((slot, index) => {
        const stat = byName.get(`${name}/s${index}`);
        if (slot === undefined || stat === undefined) return [];
        const { id, address, port } = slot;
        const { active, requests, failures, status } = stat;
        const state = status.startsWith('DOWN') ? 'resting' : /^(DRAIN|MAINT)/.test(status) ? 'draining' : 'up';
        return [{ id, service: route.service, address, port, state, active, requests, failures } as const];
      }),
    );
  }

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#unwatch();
    await this.#turn;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(graceMs > 0 ? 'SIGUSR1' : 'SIGTERM');
    const { clock } = this.#options;
    const cancels = [
      clock.after(graceMs, () => void child.kill('SIGTERM')),
      clock.after(graceMs + END_TIMEOUT_MS, () => void child.kill('SIGKILL')),
    ];
    await ended;
    for (const cancel of cancels) cancel();
  }
}

/** Lists the runtime commands that bring a section's servers from one state to the next. */
function commandsFor(section: Section, before: Section): string[] {
  return section.slots.flatMap((slot, index) => {
    const old = before.slots[index];
    if (slot === old) return [];
    const server = `${section.name}/s${index}`;
    if (slot === undefined) return [`set server ${server} state maint`];
    const weight = `set server ${server} weight ${slot.weight}`;
    const isSame = old !== undefined && old.address === slot.address && old.port === slot.port;
    if (isSame) return [weight];
    return [
      `set server ${server} state maint`,
      `set server ${server} addr ${slot.address} port ${slot.port}`,
      weight,
      `set server ${server} state ready`,
      `set server ${server} health up`,
    ];
  });
}

/** Lists the servers, `SECTION/sN`, whose backends were on lost machines. */
function lostServers(
  before: readonly Section[],
  after: readonly Section[],
  machines: ReadonlySet<string>,
): ReadonlySet<string> {
  const kept = new Set(after.flatMap(({ slots }) => slots));
  const isLost = (slot: Backend | undefined) => slot !== undefined && !kept.has(slot) && !machines.has(slot.machine);
  return new Set(
    before.flatMap(({ name, slots }) => slots.flatMap((slot, index) => (isLost(slot) ? [`${name}/s${index}`] : []))),
  );
}

/** Returns the sections with the slots of these servers empty. */
function vacate(sections: readonly Section[], servers: ReadonlySet<string>): Section[] {
  return sections.map((section) => {
    const slots = section.slots.map((slot, index) => (servers.has(`${section.name}/s${index}`) ? undefined : slot));
    return { ...section, slots };
  });
}

/** HAProxy responds to an accepted command with an empty line, or with a note about an address that it changed. */
function refuseComplaints(answer: string): void {
  const complaint = answer
    .split('\n')
    .find((line) => /^(No such|Require|Invalid|Unknown|Permission|'set|.*not allowed)/.test(line));
  if (complaint !== undefined) throw new FlotillaError('internal', `HAProxy refuses a change: ${complaint}`);
}
