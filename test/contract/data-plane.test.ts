import { systemClock as clock } from '../../src/lib/index.ts';
import { NO_ROUTES } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import { dataPlaneContract } from './data-plane-contract.ts';
import { testLog } from './data-plane-harness.ts';

dataPlaneContract(
  'in process',
  (settings) => openProcessPlane({ settings, clock, log: testLog, table: NO_ROUTES }),
  false,
);
