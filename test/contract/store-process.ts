/** An embedded store in a process of its own: `node store-process.ts DIRECTORY PORT`; prints its endpoint when ready. */
import { systemClock as clock, createLog, systemRandom as random } from '../../src/lib/index.ts';
import { startEmbeddedStore } from '../../src/store/embedded/index.ts';

const [directory = '', port = '0'] = process.argv.slice(2);
const log = createLog((line) => console.error(line));
try {
  const { endpoint } = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: Number(port),
    clock,
    random,
    log,
  });
  console.log(endpoint);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
