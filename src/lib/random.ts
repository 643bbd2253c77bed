import { randomBytes } from 'node:crypto';

/** Randomness as an argument, so that a simulation seed decides every draw. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
}

export const systemRandom: Random = {
  float: () => Math.random(),
  hex: (bytes) => randomBytes(bytes).toString('hex'),
};
