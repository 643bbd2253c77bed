import { runtimeContract } from '../../contract/runtime-contract.ts';
import { openSystemdHarness } from './systemd-harness.ts';

runtimeContract('systemd', () => openSystemdHarness());
