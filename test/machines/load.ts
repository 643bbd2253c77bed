/** `node load.ts HOST PORT PER_SECOND [METHOD]`: asks for `web.x` until its input ends, then prints what became of the requests, and how many wait on. */
import { once } from 'node:events';
import { SteadyRequests } from '../e2e/steady-requests.ts';

const [host, port, perSecond, method = 'GET'] = process.argv.slice(2);
const load = new SteadyRequests({ host, port, method, path: '/', headers: { host: 'web.x' } }, Number(perSecond));
await once(process.stdin.resume(), 'end');
const outcomes = await load.stop();
// For another process, whose clock begins elsewhere.
const dated = outcomes.map((outcome) => ({ ...outcome, atMs: outcome.atMs + performance.timeOrigin }));
console.log(JSON.stringify({ outcomes: dated, open: load.open }));
// What waits on must not keep this from ending.
process.exit();
