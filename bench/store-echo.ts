/** A server that answers every gRPC request with itself: what the transport alone costs. Prints its endpoint. */
import { serveGrpc } from '../src/store/grpc/index.ts';
import { METHODS } from '../src/store/proto/index.ts';

const echo = (message: Buffer): Buffer => message;
const { port } = await serveGrpc(
  { unary: { [METHODS.range]: echo }, streams: {} },
  { host: '127.0.0.1', port: 0, maxRequestBytes: 1 << 20, onBug: (_path, error) => console.error(error) },
);
console.log(`http://127.0.0.1:${port}`);
