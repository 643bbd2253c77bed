import type { Context, Hono } from 'hono';
import { FlotillaError, messageOf } from '../lib/index.ts';
import { type ApiParts, flag, unitName } from './api-parts.ts';
import { allowQuiet, endWithClient } from './node-bindings.ts';
import { linesOf, machineGone, runtimeOf } from './status-routes.ts';
import { textStream } from './text-stream.ts';
import { type Holder, holdersOf, whereIs } from './unit-holders.ts';

/** How long an answer waits for the first line, to be able to answer with an error instead. */
const FIRST_LINE_MS = 100;
/** Lines go out in pieces of about this size when there are many. */
const AHEAD_BYTES = 64 * 1024;
/** Each may hold a process of journalctl. */
const MAX_JOURNALS = 200;

interface JournalRequest {
  readonly name: string;
  readonly lines: number;
  readonly follow: boolean;
  readonly output: string;
}

/** Journal of a unit, streamed from the machine that holds it. */
export function journalRoutes(app: Hono, parts: ApiParts): void {
  app.get('/units/:name/journal', (c) => getJournal(c, parts));
  app.get('/peer/units/:name/journal', (c) =>
    answerLines(c, parts, (signal) => localLines(parts, journalRequest(c), signal)),
  );
}

async function getJournal(c: Context, parts: ApiParts): Promise<Response> {
  const request = journalRequest(c);
  const snapshot = await parts.reader.view.read();
  const holders = holdersOf(snapshot, request.name, c.req.query('machine'));
  const [holder, another] = holders;
  if (holder === undefined) throw new FlotillaError('conflict', `unit ${request.name} runs on no machine`);
  if (another !== undefined) {
    throw new FlotillaError('invalid', `unit ${request.name} runs on several machines, name one: ${whereIs(holders)}`);
  }
  return answerLines(c, parts, (signal) => linesFrom(parts, request, holder, signal));
}

function journalRequest(c: Context): JournalRequest {
  const output = c.req.query('output') ?? 'short';
  if (!/^[a-z][a-z-]*$/.test(output)) throw new FlotillaError('invalid', `output=${output} is no journal format`);
  return { name: unitName(c), lines: linesOf(c), follow: flag(c, 'follow'), output };
}

function linesFrom(
  parts: ApiParts,
  request: JournalRequest,
  holder: Holder,
  signal: AbortSignal,
): AsyncIterable<string | Uint8Array> {
  const { id, machine } = holder;
  if (id === parts.options.machineId) return localLines(parts, request, signal);
  if (machine === undefined) throw machineGone(id);
  const { name, lines, follow, output } = request;
  const path = `/units/${encodeURIComponent(name)}/journal?lines=${lines}&follow=${follow}&output=${output}`;
  return (async function* () {
    yield* await parts.peers.get(machine, path, signal);
  })();
}

async function* localLines({ options }: ApiParts, request: JournalRequest, signal: AbortSignal): AsyncIterable<string> {
  const { name, lines, follow, output } = request;
  for await (const line of runtimeOf(options.runtime).logs(name, { lines, follow, output, signal })) yield `${line}\n`;
}

/** The lines as text/plain; an error before the first of them is an error answer. */
async function answerLines(
  c: Context,
  parts: ApiParts,
  open: (signal: AbortSignal) => AsyncIterable<string | Uint8Array>,
): Promise<Response> {
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' };
  if (c.req.method === 'HEAD') return new Response(null, { headers });
  if (parts.journals.size >= MAX_JOURNALS)
    throw new FlotillaError(
      'unavailable',
      `${MAX_JOURNALS} journals are being read on this fleetd, which is its limit`,
    );
  const hangup = new AbortController();
  const end = () => {
    parts.journals.delete(hangup);
    hangup.abort();
  };
  parts.journals.add(hangup);
  const signal = AbortSignal.any([hangup.signal, c.req.raw.signal, parts.closing]);
  const lines = open(signal)[Symbol.asyncIterator]();
  const first = lines.next();
  const { clock, log } = parts.options;
  // A quiet journal that is followed may have its first line in an hour: the head goes out before it.
  await Promise.race([first, clock.sleep(FIRST_LINE_MS, signal).catch(() => {})]).catch((error: unknown) => {
    end();
    throw error;
  });
  allowQuiet(c);
  if (flag(c, 'follow')) endWithClient(c);
  const body = textStream(lines, first, {
    aheadBytes: AHEAD_BYTES,
    clock,
    end,
    last: () => (parts.closing.aborted ? `-- journal of ${unitName(c)} ends here: fleetd is stopping --\n` : ''),
    broken: (error) => {
      if (signal.aborted) return '';
      log.warn('Journal broke off', { unit: unitName(c), error: messageOf(error) });
      return `-- journal of ${unitName(c)} broke off: ${messageOf(error)} --\n`;
    },
  });
  return new Response(body, { headers });
}
