import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Outcome {
  readonly atMs: number;
  /** A status, or the code of an error. */
  readonly result: number | string;
  readonly tookMs: number;
}

/** Asks for the same thing so many times a second, whatever becomes of the requests before, until stopped. */
export class SteadyRequests {
  readonly outcomes: Outcome[] = [];
  /** What the answers said. */
  readonly answers = new Map<string, number>();
  readonly #agent = new http.Agent({ keepAlive: true });
  #running = true;
  #open = 0;
  readonly #done: Promise<void>;

  constructor(options: http.RequestOptions, perSecond: number) {
    this.#done = this.#run(options, perSecond);
  }

  /** Requests that have not been answered yet. */
  get open(): number {
    return this.#open;
  }

  /** Stops asking, waits for what is open, answers all outcomes. */
  async stop(): Promise<readonly Outcome[]> {
    this.#running = false;
    await this.#done;
    for (let i = 0; this.#open > 0 && i < 1000; i++) await sleep(10);
    this.#agent.destroy();
    return this.outcomes;
  }

  /** Outcomes other than 200 among those that began after `sinceMs`. */
  failures(sinceMs = 0): readonly Outcome[] {
    return this.outcomes.filter(({ atMs, result }) => result !== 200 && atMs >= sinceMs);
  }

  async #run(options: http.RequestOptions, perSecond: number): Promise<void> {
    const startMs = performance.now();
    for (let count = 0; this.#running; count++) {
      this.#ask(options);
      await sleep(Math.max(0, startMs + ((count + 1) * 1000) / perSecond - performance.now()));
    }
  }

  #ask(options: http.RequestOptions): void {
    const atMs = performance.now();
    this.#open++;
    const finish = (result: number | string) => {
      this.#open--;
      this.outcomes.push({ atMs, result, tookMs: performance.now() - atMs });
    };
    let began = false;
    const request = http.get({ ...options, agent: this.#agent }, (response) => {
      began = true;
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        this.answers.set(text, (this.answers.get(text) ?? 0) + 1);
        finish(response.statusCode!);
      });
      response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // After the answer has begun, the answer itself tells.
      if (!began) finish(error.code ?? error.message);
    });
  }
}
