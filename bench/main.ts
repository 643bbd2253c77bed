/** `npm run bench [-- NAME…] [--quick]`: all benchmarks, or those named. Figures go to stdout; nothing is asserted. */
import { parseArgs } from 'node:util';
import { benchCluster } from './cluster.ts';

const BENCHMARKS: Readonly<Record<string, (quick: boolean) => Promise<void>>> = {
  cluster: benchCluster,
  consul: async (quick) => (await import('./consul.ts')).benchConsul(quick),
  dns: async (quick) => (await import('./dns.ts')).benchDns(quick),
  inputs: async (quick) => (await import('./inputs.ts')).benchInputs(quick),
  machines: async (quick) => (await import('./machines.ts')).benchMachines(quick),
  ssh: async (quick) => (await import('./ssh.ts')).benchSsh(quick),
  schedule: async (quick) => (await import('./schedule.ts')).benchSchedule(quick),
  services: async (quick) => (await import('./services.ts')).benchServices(quick),
  router: async (quick) => (await import('./router.ts')).benchRouter(quick),
  store: async (quick) => (await import('./store.ts')).benchStore(quick),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
});
const unknown = positionals.find((name) => !(name in BENCHMARKS));
if (unknown !== undefined) {
  console.error(`no benchmark ${unknown}; there are ${Object.keys(BENCHMARKS).join(', ')}`);
  process.exit(2);
}
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHMARKS))
  await BENCHMARKS[name]!(values.quick);
