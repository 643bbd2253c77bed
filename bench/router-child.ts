/** The data plane in process, alone in one: settings and routes as its arguments. */
import { systemClock as clock, silentLog as log } from '../src/lib/index.ts';
import { openProcessPlane } from '../src/router/process/index.ts';

const [settings, table] = process.argv.slice(2, 4).map((text) => JSON.parse(text));
await openProcessPlane({ settings, table, clock, log });
