import type { Change } from '../cluster/index.ts';
import type { Machine, Unit, UnitStatus } from '../model/index.ts';
import type { ApiEvent } from './schema.ts';

/** What a change means, in words; `machines` says where the machines of a placement answer. */
export type Narrated = Pick<Extract<ApiEvent, { type: 'happened' }>, 'subject' | 'name' | 'sentence' | 'atMs'>;

/** A machine as people name it. */
export type NameMachine = (id: string) => string;

/** `85c0c595.../172.17.8.102`, as fleetctl shows machines; the address is left out when it is not known. */
export function shortMachine(id: string, address: string | undefined): string {
  const short = id.length > 8 ? `${id.slice(0, 8)}...` : id;
  return address ? `${short}/${address}` : short;
}

/** The sentence for a change, or undefined when there is nothing in it that anybody would call an event. */
export function narrate(change: Change, nameMachine: NameMachine): Narrated | undefined {
  switch (change.kind) {
    case 'unit':
      return told('unit', change.name, unitSentence(change.name, change.before, change.after));
    case 'placement': {
      const where = nameMachine(change.machine);
      return told('unit', change.unit, placementSentence(change, where));
    }
    case 'status': {
      const where = nameMachine(change.machine);
      return told('unit', change.unit, statusSentence(change.unit, where, change.before, change.after));
    }
    case 'machine':
      return told('machine', change.id, machineSentence(change.id, change.before, change.after));
    case 'leader':
      return leaderChange(change, nameMachine);
  }
}

function told(subject: Narrated['subject'], name: string, sentence: string | undefined): Narrated | undefined {
  return sentence === undefined ? undefined : { subject, name, sentence };
}

function unitSentence(name: string, before: Unit | undefined, after: Unit | undefined): string | undefined {
  if (after === undefined) return `${name} was destroyed`;
  if (before === undefined) return `${name} was submitted, to be ${after.desired}`;
  const file = before.hash === after.hash ? [] : [`got a new unit file (${shortHash(before)} to ${shortHash(after)})`];
  const desired = before.desired === after.desired ? [] : [`is to be ${after.desired} instead of ${before.desired}`];
  const news = [...file, ...desired];
  return news.length === 0 ? undefined : `${name} ${news.join(' and ')}`;
}

function shortHash(unit: Unit): string {
  return unit.hash.slice(0, 7);
}

function placementSentence(change: Extract<Change, { kind: 'placement' }>, where: string): string | undefined {
  const { unit, before, after } = change;
  if (after === undefined) return `${unit} was taken off ${where}`;
  if (before === undefined) return `${unit} was placed on ${where}: ${after.reason}`;
  return undefined;
}

function statusSentence(
  unit: string,
  where: string,
  before: UnitStatus | undefined,
  after: UnitStatus | undefined,
): string | undefined {
  if (after === undefined) return `${unit} is no longer reported by ${where}`;
  const note = after.note === undefined || after.note === before?.note ? '' : `: ${after.note}`;
  if (before === undefined) return `${unit} is ${stateOf(after)} on ${where}${note}`;
  if (stateOf(before) !== stateOf(after))
    return `${unit} went from ${stateOf(before)} to ${stateOf(after)} on ${where}${note}`;
  return note === '' ? undefined : `${unit} is ${stateOf(after)} on ${where}${note}`;
}

function stateOf({ load, active, sub }: UnitStatus): string {
  return load === 'loaded' ? `${active} (${sub})` : `${load}, ${active} (${sub})`;
}

function machineSentence(id: string, before: Machine | undefined, after: Machine | undefined): string | undefined {
  const name = shortMachine(id, (after ?? before)?.address);
  if (after === undefined) return `${name} left the cluster`;
  if (before === undefined) return `${name} joined the cluster${metadataOf(after)}`;
  if (before.address !== after.address)
    return `${shortMachine(id, before.address)} has the address ${after.address} now`;
  if (metadataOf(before) === metadataOf(after)) return undefined;
  return `${name} has ${metadataOf(after).replace(/^ with /, '') || 'no metadata'} now`;
}

function metadataOf({ metadata }: Machine): string {
  const pairs = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? '' : ` with metadata ${pairs.sort().join(',')}`;
}

function leaderChange(
  { before, after }: Extract<Change, { kind: 'leader' }>,
  nameMachine: NameMachine,
): Narrated | undefined {
  if (after === undefined) {
    const id = before?.machine ?? '';
    return { subject: 'leader', name: id, sentence: `${nameMachine(id)} leads the cluster no longer` };
  }
  if (before?.machine === after.machine && before.sinceMs === after.sinceMs) return undefined;
  const sentence = `${nameMachine(after.machine)} leads the cluster now`;
  return { subject: 'leader', name: after.machine, sentence, atMs: after.sinceMs };
}
