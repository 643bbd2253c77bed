#!/usr/bin/env node
import { processIo } from './io.ts';
import { runFleetctl } from './run.ts';

// 128 + the signal's number, as shells report it.
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

runFleetctl(process.argv.slice(2), processIo).then(
  // Exit explicitly: kept connections and open streams would hold the process. All output is written already.
  (status) => process.exit(status),
  (error: unknown) => {
    processIo.err(`fleetctl: a bug: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
