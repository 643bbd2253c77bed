import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ActiveProbe, CheckResult } from '../check-result.ts';

type HttpProbe = Extract<ActiveProbe, { type: 'http' | 'https' }>;

/** The most bytes that are read of a response. */
const MAX_BODY_BYTES = 4096;

/** 2xx is passing, 429 (too many requests) warning, everything else critical. Redirections are not followed. */
export function probeHttp(probe: HttpProbe, signal: AbortSignal): Promise<CheckResult> {
  return new Promise((resolve, reject) => {
    const { method, headers, url, body, verify } = probe;
    const request = probe.type === 'https' ? httpsRequest : httpRequest;
    // Connect anew each time: a connection kept open would pass although the server accepts no new ones.
    const length = body === '' ? {} : { 'content-length': Buffer.byteLength(body) };
    const sentHeaders = { 'user-agent': 'Flotilla Health Check', ...length, ...headers };
    const options = { method, headers: sentHeaders, agent: false, signal };
    const sent = request(url, { ...options, rejectUnauthorized: verify }, (response) => {
      readBeginning(response).then((text) => resolve(judge(probe, response, text)), reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function judge({ method, url }: HttpProbe, { statusCode = 0, statusMessage = '' }: IncomingMessage, body: string) {
  const status = statusCode >= 200 && statusCode < 300 ? 'passing' : statusCode === 429 ? 'warning' : 'critical';
  return { status, output: `HTTP ${method} ${url}: ${statusCode} ${statusMessage} Output: ${body}` } as const;
}

/** Resolves at the response's end, or when enough has been read, since a response may be an endless stream. */
async function readBeginning(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response) {
    parts.push(part as Buffer);
    bytes += (part as Buffer).byteLength;
    if (bytes >= MAX_BODY_BYTES) break;
  }
  return Buffer.concat(parts).toString('utf8');
}
