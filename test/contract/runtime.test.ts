import { runtimeContract } from './runtime-contract.ts';
import { openHarness } from './runtime-harness.ts';

runtimeContract('supervisor with control groups', () => openHarness());
runtimeContract('supervisor with process tracking', () => openHarness({ groups: 'tracking' }));
