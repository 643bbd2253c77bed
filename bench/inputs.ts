/**
 * How long the largest inputs that are accepted, and some that are refused, hold one event loop, in processor time of its thread,
 * so that other programs do not count. The floor is JSON.parse of the same text. `npm run bench -- inputs [--quick]`.
 */

import { pageOf } from '../src/api/page-token.ts';
import { readBodyAs } from '../src/api/read-body-as.ts';
import { MAX_OPTIONS, unitPut } from '../src/api/shapes/index.ts';
import { ConsulError } from '../src/consul/exchange.ts';
import { readCheck, readRegistration } from '../src/consul/registration-body.ts';
import { parseQuery } from '../src/dns/message.ts';
import { FlotillaError, parseJson } from '../src/lib/index.ts';
import { readCertificate } from '../src/router/index.ts';
import { startOrder } from '../src/runtime/systemd/start-order.ts';
import { flawOf } from '../src/services/registration.ts';
import { readInspect } from '../src/services/sources/containers/inspect.ts';
import { excessOf, registrationsOf } from '../src/services/sources/containers/translate.ts';
import {
  checkUnit,
  containerNames,
  parseUnitFile,
  readNeeds,
  readServices,
  serializeUnitFile,
  type UnitOption,
} from '../src/unitfile/index.ts';
import { type CraftedInput, listOf } from './crafted-input.ts';
import { type Figure, printFigures } from './figures.ts';
import { clusterInputs } from './inputs-cluster.ts';

const FLOORS = 20;

export async function benchInputs(quick: boolean): Promise<void> {
  const runs = quick ? 3 : 11;
  const figures = [...textInputs(), ...clusterInputs()].map(({ name, prepare, text }): Figure => {
    const samples = Array.from({ length: runs }, () => timed(prepare()));
    if (text === undefined) return { name, unit: 'ms', samples, target: '< 50' };
    // The clock of a thread is too coarse for one.
    const many = () => listOf(FLOORS, () => JSON.parse(text));
    const floor = Array.from({ length: runs }, () => timed(many) / FLOORS);
    return { name, unit: 'ms', samples, target: '< 50', floor: { name: 'JSON.parse', samples: floor } };
  });
  printFigures('One event loop, held by the largest inputs', figures);
}

/** Milliseconds of the longest step; what is refused takes its time as well. */
function timed(work: (() => unknown) | Iterator<void>): number {
  let longestMs = 0;
  for (let done = false; !done; ) {
    const start = process.threadCpuUsage();
    try {
      if (typeof work === 'function') {
        work();
        done = true;
      } else {
        done = work.next().done === true;
      }
    } catch (error) {
      if (!(error instanceof FlotillaError || error instanceof ConsulError || error instanceof SyntaxError))
        throw error;
      done = true;
    }
    const { user, system } = process.threadCpuUsage(start);
    longestMs = Math.max(longestMs, (user + system) / 1000);
  }
  return longestMs;
}

const option = (section: string, name: string, value: string): UnitOption => ({ section, name, value });

function textInputs(): CraftedInput[] {
  return [...unitInputs(), ...jsonInputs(), ...otherInputs()];
}

/** What the API does with the body of PUT /units/N, but for the store. */
function acceptUnit(text: string): void {
  const { options } = readBodyAs(unitPut, parseJson(text));
  checkUnit('x.service', options);
  const file = parseUnitFile(serializeUnitFile(options));
  readNeeds('x.service', file.options);
  serializeUnitFile(file.options);
}

function unitInputs(): CraftedInput[] {
  const body = (options: readonly UnitOption[]) => JSON.stringify({ desiredState: 'launched', options });
  const unit = (name: string, options: readonly UnitOption[]): CraftedInput => {
    const text = body(options);
    return { name, text, prepare: () => () => acceptUnit(text) };
  };
  const longName = `${'a'.repeat(240)}.service`;
  const words = [
    ...listOf(32, (i) => `*${'a'.repeat(200)}${i}*`),
    ...listOf(96, (i) => `${'a'.repeat(240)}${i}.timer`),
  ];
  const bases = listOf(128, (i) => `${'a'.repeat(240)}${i}.service`);
  const values = (key: string, list: readonly string[]) => list.map((value) => option('X-Fleet', key, value));
  const services = (key: string, value: string) =>
    listOf(64, (i) => [
      option('X-Service', 'Name', `s${i}`),
      option('X-Service', 'Port', '80'),
      option('X-Service', 'Host', listOf(16, (host) => `h${host}.s${i}.example`).join(' ')),
      option('X-Service', key, value),
    ]).flat();
  const pairs = (count: number) => listOf(count, (i) => `${i.toString(36)}=`).join(' ');
  return [
    unit(
      `${MAX_OPTIONS} options, 1 MB`,
      listOf(MAX_OPTIONS, (i) => option('Service', 'Environment', `A${i}=${'x'.repeat(430)}`)),
    ),
    unit('16,384 lines in one value, 1 MB', [
      option('Service', 'ExecStart', `${`${'a'.repeat(60)}\\\n`.repeat(16_383)}b`),
    ]),
    unit(
      `${MAX_OPTIONS} options with newlines (refused)`,
      listOf(MAX_OPTIONS, (i) => option('Service', 'A', `b\nc${i}=d\ne`)),
    ),
    unit('128 words of MachineOf= against 128 of Conflicts=', [
      ...values('MachineOf', bases),
      ...values('Conflicts', words),
    ]),
    unit('64 services, 1,024 routes, 24,000 pairs of metadata', services('Meta', pairs(375))),
    unit('64 services, 1,024 routes, 500,000 tags (refused)', services('Tags', 'a,'.repeat(7800))),
    {
      name: '1 MB of %n in Unit= of a timer',
      prepare: () => {
        const units = new Map([[`${'a'.repeat(240)}.timer`, [option('Timer', 'Unit', '%n'.repeat(500_000))]]]);
        return () => startOrder(units);
      },
    },
    {
      name: '1 MB of %n in After= and in the commands of a unit',
      prepare: () => {
        const ofName = (section: string, name: string) => listOf(8, () => option(section, name, '%n '.repeat(20_000)));
        const options = [...ofName('Unit', 'After'), ...ofName('Service', 'ExecStartPre')];
        return () => [startOrder(new Map([[longName, options]])), containerNames(longName, options)];
      },
    },
    {
      name: '2,048 values of 16,384 %n each (refused)',
      prepare: () => {
        const options = listOf(2048, () => option('X-Service', 'Tags', '%n'.repeat(16_384)));
        return () => [readServices(longName, options), readNeeds(longName, options)];
      },
    },
    { name: 'a submitted file of 128 KiB of blank lines', prepare: () => () => parseUnitFile('\n'.repeat(131_072)) },
  ];
}

function jsonInputs(): CraftedInput[] {
  const json = (name: string, text: string, read: (value: unknown) => unknown): CraftedInput => ({
    name,
    text,
    prepare: () => () => read(parseJson(text)),
  });
  const patch = `[${listOf(10_922, (i) => `{"op":"add","path":"/m/metadata/k${i}","value":"x"}`).join(',')}]`;
  const checks = (count: number) => listOf(count, () => ({ HTTP: 'http://x/', Interval: '10s', Header: { A: ['b'] } }));
  const registration = { Name: 'web', Tags: listOf(5000, (i) => `t${i}`), Meta: { k: 'x'.repeat(16_000) } };
  return [
    json('349,000 empty options (refused)', `{"options":[${'{},'.repeat(349_000)}{}]}`, (value) => value),
    json('a megabyte of brackets (refused)', '['.repeat(500_000) + ']'.repeat(500_000), (value) => value),
    json('32,768 members', JSON.stringify(Object.fromEntries(listOf(32_768, (i) => [`k${i}`, 0]))), (value) =>
      readBodyAs(unitPut, value),
    ),
    json('10,922 operations on metadata', patch, (value) => value),
    json('a registration with 512 checks', JSON.stringify({ Name: 'web', Checks: checks(512) }), readRegistration),
    json('a registration of 64 KiB', JSON.stringify(registration), (value) => flawOf(readRegistration(value))),
    json(
      'a check with 6,000 headers',
      JSON.stringify({ ...checks(1)[0], Header: Object.fromEntries(listOf(6000, (i) => [`h${i}`, ['v', 'w']])) }),
      (value) => readCheck(value, { id: 'x', name: 'x' }),
    ),
  ];
}

function otherInputs(): CraftedInput[] {
  const records = Buffer.concat([
    Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0x17, 0x30, 0, 0, 1, 0, 1]),
    ...listOf(5936, () => Buffer.from([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])),
  ]);
  const container = (ports: number, labels: number) => ({
    Id: 'c',
    Name: '/c',
    Config: {
      Labels: Object.fromEntries(listOf(labels, (i) => [`SERVICE_M${i}`, 'v'])),
      ExposedPorts: Object.fromEntries(listOf(ports, (i) => [`${i + 1}/tcp`, {}])),
    },
  });
  const machine = { hostName: 'm', address: '10.0.0.1', internal: false };
  const translate = (ports: number, labels: number) => ({
    name: `a container with ${ports} ports and ${labels} labels`,
    prepare: () => {
      const text = JSON.stringify(container(ports, labels));
      return () => {
        const inspected = readInspect(text);
        return excessOf(inspected, machine) ?? registrationsOf(inspected, machine).map(flawOf);
      };
    },
  });
  const pem = '-----BEGIN CERTIFICATE-----'.repeat(38_000);
  return [
    translate(1024, 36),
    translate(32, 1150),
    translate(8, 4500),
    { ...translate(32_600, 100), name: 'a container with 32,600 ports (left out)' },
    { ...translate(65_535, 100), name: 'a container with 65,535 ports (left out)' },
    { name: 'a DNS message of 64 KiB', prepare: () => () => parseQuery(records) },
    { name: 'a page token of 16 KiB (refused)', prepare: () => () => pageOf(['A'.repeat(16_384)], 100) },
    { name: 'a megabyte of beginnings of certificates (refused)', prepare: () => () => readCertificate(pem) },
  ];
}
