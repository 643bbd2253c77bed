import type { CheckResult, RunProbe } from '../check-result.ts';
import { probeGrpc } from './grpc.ts';
import { probeHttp } from './http.ts';
import { probeScript } from './script.ts';
import { probeTcp } from './tcp.ts';

/** Probes an instance over the network, or by running a program. */
export const runProbe: RunProbe = (probe, signal): Promise<CheckResult> => {
  switch (probe.type) {
    case 'http':
    case 'https':
      return probeHttp(probe, signal);
    case 'tcp':
      return probeTcp(probe, signal);
    case 'grpc':
      return probeGrpc(probe, signal);
    case 'script':
      return probeScript(probe, signal);
  }
};
