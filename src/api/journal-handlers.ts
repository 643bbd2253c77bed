import type { Context } from 'hono';
import { FlotillaError, messageOf } from '../lib/index.ts';
import type { ApiParts } from './api-parts.ts';
import type { Asked } from './call-handlers.ts';
import { allowQuiet, endWithClient } from './node-bindings.ts';
import type { peerCalls, unitCalls } from './shapes/index.ts';
import { machineGone, runtimeOf } from './status-handlers.ts';
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
export async function getJournal(asked: Asked<typeof unitCalls.Journal>, parts: ApiParts): Promise<Response> {
  const request = journalRequest(asked);
  const snapshot = await parts.reader.view.read();
  const holders = holdersOf(snapshot, request.name, asked.query.machine);
  const [holder, another] = holders;
  if (holder === undefined) throw new FlotillaError('conflict', `unit ${request.name} runs on no machine`);
  if (another !== undefined) {
    throw new FlotillaError('invalid', `unit ${request.name} runs on several machines, name one: ${whereIs(holders)}`);
  }
  return answerLines(asked.context, { parts, request, open: (signal) => linesFrom(parts, request, holder, signal) });
}

/** Journal of a unit of this machine, for another fleetd. */
export function localJournal(asked: PeerJournal, parts: ApiParts): Promise<Response> {
  const request = journalRequest(asked);
  return answerLines(asked.context, { parts, request, open: (signal) => localLines(parts, request, signal) });
}

type PeerJournal = Asked<typeof peerCalls.Journal>;

function journalRequest({ path, query }: Pick<PeerJournal, 'path' | 'query'>): JournalRequest {
  const { lines, follow, output = 'short' } = query;
  if (!/^[a-z][a-z-]*$/.test(output)) throw new FlotillaError('invalid', `output=${output} is no journal format`);
  return { name: path.unitName, lines, follow, output };
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
  const { name, ...query } = request;
  return (async function* () {
    const call = 'peer/units/{unitName}/journal';
    yield* await parts.peers.get(machine, { call, path: { unitName: name }, query, signal });
  })();
}

async function* localLines({ options }: ApiParts, request: JournalRequest, signal: AbortSignal): AsyncIterable<string> {
  const { name, lines, follow, output } = request;
  for await (const line of runtimeOf(options.runtime).logs(name, { lines, follow, output, signal })) yield `${line}\n`;
}

interface JournalAnswer {
  readonly parts: ApiParts;
  readonly request: JournalRequest;
  readonly open: (signal: AbortSignal) => AsyncIterable<string | Uint8Array>;
}

/** The lines as text/plain; an error before the first of them is an error answer. */
async function answerLines(c: Context, { parts, request: { name, follow }, open }: JournalAnswer): Promise<Response> {
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
  if (follow) endWithClient(c);
  const body = textStream(lines, first, {
    aheadBytes: AHEAD_BYTES,
    clock,
    end,
    last: () => (parts.closing.aborted ? `-- journal of ${name} ends here: fleetd is stopping --\n` : ''),
    broken: (error) => {
      if (signal.aborted) return '';
      log.warn('Journal broke off', { unit: name, error: messageOf(error) });
      return `-- journal of ${name} broke off: ${messageOf(error)} --\n`;
    },
  });
  return new Response(body, { headers });
}
