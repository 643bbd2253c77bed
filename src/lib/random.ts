/** Randomness as an argument, so that a simulation seed decides every draw. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
}

export const systemRandom: Random = {
  float: () => Math.random(),
  // `crypto` is a global that Node loads on first use; importing node:crypto would cost every start of fleetctl 4 ms.
  hex: (bytes) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex'),
};
