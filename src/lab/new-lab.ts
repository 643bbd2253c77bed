import path from 'node:path';
import { systemRandom as random } from '../lib/index.ts';
import { labPaths, machinePaths } from './lab-directory.ts';
import type { LabMachine, LabState } from './lab-state.ts';
import { bootId } from './process-identity.ts';

/** The preferred endpoint of a lab's store. */
const STORE_ENDPOINT = 'http://127.0.0.1:49152';

/** sun_path holds 108 bytes including the final zero. */
const MAX_SOCKET_PATH = 107;

/** Makes the state of a lab without machines, none of it running. */
export function newLab(port: number, agentTtl: string): LabState {
  return {
    version: 1,
    bootId: bootId(),
    port,
    agentTtl,
    keyPrefix: `/_coreos.com/fleet/lab-${random.hex(4)}/`,
    store: { endpoint: STORE_ENDPOINT, pid: 0, startTime: 0 },
    machines: [],
  };
}

/** Adds machines, not yet started, until there are `wanted`. */
export function addMachines(lab: string, state: LabState, wanted: number): void {
  while (state.machines.length < wanted) state.machines.push(newMachine(lab, state.machines.length + 1, state.port));
}

function newMachine(lab: string, number: number, port: number): LabMachine {
  const directory = labPaths.machine(lab, number);
  const socket = machinePaths.socket(directory);
  const address = `127.0.1.${number}`;
  return {
    number,
    id: random.hex(16),
    address,
    endpoint: `http://${address}:${port}`,
    ...(Buffer.byteLength(path.resolve(socket)) <= MAX_SOCKET_PATH ? { socket } : {}),
    directory,
    state: 'dead',
    pid: 0,
    startTime: 0,
  };
}
