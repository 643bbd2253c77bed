import { GrpcError, STATUS } from '../grpc/index.ts';

/** Decodes a request; throws GrpcError `invalidArgument` for malformed bytes. */
export function parse<T>(type: { decode(bytes: Uint8Array): T }, bytes: Buffer): T {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new GrpcError(STATUS.invalidArgument, `the request cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
