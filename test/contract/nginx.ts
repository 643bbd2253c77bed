import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { type DataPlane, HEALTH_PATH, NO_ROUTES, type RouteTable, renderNginx } from '../../src/router/index.ts';
import { ask, closedPort, temporary } from './data-plane-harness.ts';

export const noNginx: string | false =
  spawnSync('nginx', ['-v']).status === 0 ? false : 'nginx is not installed (apt install nginx-light)';

/** A real nginx, the rendered routes in its conf.d: what a user of the file has. */
export class NginxPlane implements DataPlane {
  readonly port: number;
  readonly #directory: string;
  #child: ChildProcess | undefined;

  readonly #settings: string;

  private constructor(directory: string, port: number, settings: string) {
    this.#directory = directory;
    this.#settings = settings;
    this.port = port;
  }

  /** `settings`: what else stands in nginx.conf, for all servers. */
  static async open(t: TestContext, table: RouteTable = NO_ROUTES, settings = ''): Promise<NginxPlane> {
    const plane = new NginxPlane(temporary(t), await closedPort(), settings);
    t.after(() => plane.close());
    await plane.use(table);
    return plane;
  }

  get listening(): readonly string[] {
    return [`http://127.0.0.1:${this.port}`];
  }

  /** What nginx has against these routes, as `nginx -t` says; empty: nothing. */
  complaint(table: RouteTable): string {
    this.#configure(table);
    const { status, stderr } = spawnSync('nginx', ['-t', '-q', ...this.#arguments], { encoding: 'utf8' });
    return status === 0 ? stderr : stderr || `nginx ends with ${status}`;
  }

  /** Starts nginx anew with these routes. */
  async use(table: RouteTable): Promise<void> {
    await this.close();
    this.#configure(table);
    this.#child = spawn('nginx', this.#arguments, { stdio: ['ignore', 'ignore', 'inherit'] });
    await until('nginx listens', () => ask(this.port, { path: HEALTH_PATH }).then(Boolean, () => false));
  }

  get #arguments(): string[] {
    return ['-p', this.#directory, '-c', path.join(this.#directory, 'nginx.conf')];
  }

  #configure(table: RouteTable): void {
    const directory = this.#directory;
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${directory}/${name};`,
    );
    const routes = renderNginx(table).replaceAll('listen 80;', `listen 127.0.0.1:${this.port};`);
    writeFileSync(path.join(directory, 'routes.conf'), routes);
    writeFileSync(
      path.join(directory, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events {} http { access_log off; ${places.join(' ')} underscores_in_headers on; ${this.#settings} include ${directory}/routes.conf; }`,
    );
  }

  /** What nginx has logged since it was opened. */
  get errors(): string {
    return readFileSync(path.join(this.#directory, 'error.log'), 'utf8');
  }

  async drain(): Promise<void> {}

  async backends(): Promise<readonly never[]> {
    return [];
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill();
    await once(child, 'exit');
  }
}
