/** The display forms of machines and hashes. */

/** `85c0c595...`, or the whole id. */
export function machineIdLegend(id: string, full = false): string {
  return full ? id : `${id.slice(0, 8)}...`;
}

/** `85c0c595.../172.17.8.102`; the id alone without an address. */
export function machineLegend(machine: { readonly id: string; readonly address: string }, full = false): string {
  const id = machineIdLegend(machine.id, full);
  return machine.address === '' ? id : `${id}/${machine.address}`;
}

/** The first seven characters, or the whole hash. */
export function hashLegend(hash: string, full = false): string {
  return full ? hash : hash.slice(0, 7);
}
