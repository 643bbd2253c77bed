import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { within } from '../../lib/index.ts';
import type { ActiveProbe, CheckResult } from '../check-result.ts';

type GrpcProbe = Extract<ActiveProbe, { type: 'grpc' }>;

/** The statuses of grpc.health.v1.HealthCheckResponse, by their numbers. */
const SERVING_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** Calls the standard health service (grpc.health.v1.Health/Check); only SERVING is passing. */
export async function probeGrpc(probe: GrpcProbe, signal: AbortSignal): Promise<CheckResult> {
  const authority = `${probe.tls ? 'https' : 'http'}://${probe.host.includes(':') ? `[${probe.host}]` : probe.host}:${probe.port}`;
  const session = connect(authority, { rejectUnauthorized: probe.verify });
  try {
    const code = await ask(session, probe.service, signal);
    const serving = SERVING_STATUSES[code] ?? String(code);
    return {
      status: serving === 'SERVING' ? 'passing' : 'critical',
      output: `gRPC check ${probe.host}:${probe.port}/${probe.service}: ${serving}`,
    };
  } finally {
    session.destroy();
  }
}

/** Returns the status in the server's response for the service; rejects for any other response. */
function ask(session: ClientHttp2Session, service: string, signal: AbortSignal): Promise<number> {
  return within(signal, (resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const parts: Buffer[] = [];
    let headers: IncomingHttpHeaders = {};
    stream.on('response', (received) => {
      headers = received;
    });
    stream.on('trailers', (received: IncomingHttpHeaders) => {
      headers = { ...headers, ...received };
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the gRPC server ended the request without an answer')));
    stream.on('end', () => {
      const problem = problemOf(headers);
      if (problem) reject(new Error(problem));
      else resolve(servingStatus(Buffer.concat(parts)));
    });
    stream.end(requestFrame(service));
    // The caller destroys the session, and this stream with it.
    return () => {};
  });
}

function problemOf(headers: IncomingHttpHeaders): string | undefined {
  const status = headers['grpc-status'];
  if (status === '0') return undefined;
  if (status === undefined) return `no gRPC answer, HTTP status ${headers[constants.HTTP2_HEADER_STATUS] ?? 'none'}`;
  return `gRPC status ${status} ${headers['grpc-message'] ?? ''}`.trimEnd();
}

/** HealthCheckRequest { string service = 1; } in a gRPC frame: no compression, length, message. */
function requestFrame(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** HealthCheckResponse { ServingStatus status = 1; }: a single small number; an empty message means 0. */
function servingStatus(frame: Buffer): number {
  return frame.length >= 7 && frame[5] === 0x08 ? frame[6]! : 0;
}
