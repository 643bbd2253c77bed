import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { RETRY_AFTER_S } from '../data-plane.ts';
import type { Route } from '../route-table.ts';
import type { RequestTarget } from './request-target.ts';

/** A response that the router makes itself. */
export interface RouterPage {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const HEALTH_PAGE: RouterPage = { status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' };

/** Makes a page of one sentence, in HTML for browsers. */
export function sentencePage(status: number, sentence: string, accept: string | undefined): RouterPage {
  if (!accept?.includes('text/html')) return { status, type: 'text/plain; charset=utf-8', body: `${sentence}\n` };
  const title = `${status} ${STATUS_CODES[status]}`;
  return html(status, title, `<h1>${title}</h1>\n<p>${escapeHtml(sentence)}</p>`);
}

/** Makes the response of a route without a healthy backend. */
export function unavailablePage(service: string, accept: string | undefined): RouterPage {
  const page = sentencePage(503, `No instance of ${service} is healthy.`, accept);
  return { ...page, headers: { 'retry-after': String(RETRY_AFTER_S) } };
}

export interface IndexPageOptions {
  readonly routes: readonly Route[];
  /** 404, or 200 for `/` where `router_index` asks for it. */
  readonly status: number;
}

/** Makes the list of all routes, for requests to a host without a route. */
export function indexPage(
  target: RequestTarget,
  request: IncomingMessage,
  { routes, status }: IndexPageOptions,
): RouterPage {
  const rows = routes.map((route) => `<li>${describe(route, target, request)}</li>`);
  const list = rows.length > 0 ? `<ul>\n${rows.join('\n')}\n</ul>` : '<p>No service is routed.</p>';
  return html(status, 'Services', `<h1>Services</h1>\n${list}`);
}

function describe({ host, path, service, backends }: Route, target: RequestTarget, request: IncomingMessage): string {
  const about = `${escapeHtml(service)}: ${backends.length} ${backends.length === 1 ? 'instance' : 'instances'}`;
  const name = linkedHost(host, target);
  const shown = escapeHtml(host + (path === '/' ? '' : path));
  if (name === undefined) return `${shown} – ${about}`;
  const protocol = 'encrypted' in request.socket ? 'https' : 'http';
  return `<a href="${escapeHtml(`${protocol}://${name}${path}`)}">${shown}</a> – ${about}`;
}

/** Returns the host under which this client can reach the route; undefined when it cannot be known. */
function linkedHost(host: string, { host: asked, name }: RequestTarget): string | undefined {
  if (host.startsWith('*.')) return undefined;
  const port = /:\d+$/.exec(asked)?.[0] ?? '';
  if (!host.endsWith('.*')) return host + port;
  const isName = /[a-z]/.test(name) && !name.startsWith('[');
  return isName ? `${host.slice(0, -1)}${name}${port}` : undefined;
}

function html(status: number, title: string, body: string): RouterPage {
  const head = `<!doctype html>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n`;
  return { status, type: 'text/html; charset=utf-8', body: `${head}<title>${title}</title>\n${body}\n` };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
