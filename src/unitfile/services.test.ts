import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkUnit } from './check.ts';
import { containerNames } from './container-names.ts';
import { parseUnitFile } from './parse.ts';
import { type DeclaredService, readServices } from './services.ts';

function read(text: string, name = 'web@8081.service') {
  const { options, lines } = parseUnitFile(text);
  const { services, problems } = readServices(name, options, lines);
  return { services, told: problems.map((problem) => `${problem.severity} ${problem.line}: ${problem.message}`) };
}

const PLAIN = { tags: [], meta: {}, routes: [], intervalMs: 10_000, timeoutMs: 5000 };

const SERVICES: readonly (readonly [section: string, services: readonly DeclaredService[]])[] = [
  ['Name=web\nPort=8080', [{ ...PLAIN, name: 'web', port: 8080 }]],
  ['Port=1', [{ ...PLAIN, name: 'web', port: 1 }]],
  ['Port=1\nName=a', [{ ...PLAIN, name: 'a', port: 1 }]],
  ['Name=%p\nPort=%i', [{ ...PLAIN, name: 'web', port: 8081 }]],
  [
    'Name=a\nPort=1\nName=b\nPort=2',
    [
      { ...PLAIN, name: 'a', port: 1 },
      { ...PLAIN, name: 'b', port: 2 },
    ],
  ],
  [
    'Name=a\nPort=1\n[X-Service]\nName=a\nPort=2',
    [
      { ...PLAIN, name: 'a', port: 1 },
      { ...PLAIN, name: 'a', port: 2 },
    ],
  ],
  [
    'Name=a\nPort=1\nTags=http,blue\nTags=http green',
    [{ ...PLAIN, name: 'a', port: 1, tags: ['http', 'blue', 'green'] }],
  ],
  ['Name=a\nPort=1\nMeta=k=v "x=a b"', [{ ...PLAIN, name: 'a', port: 1, meta: { k: 'v', x: 'a b' } }]],
  [
    'Name=a\nPort=1\nHost=A.example.com *.b\nPath=/x',
    [
      {
        ...PLAIN,
        name: 'a',
        port: 1,
        routes: [
          { host: 'a.example.com', path: '/x' },
          { host: '*.b', path: '/x' },
        ],
      },
    ],
  ],
  ['Name=a\nPort=1\nPath=/x', [{ ...PLAIN, name: 'a', port: 1, routes: [{ path: '/x' }] }]],
  [
    'Name=a\nPort=1\nCheck=http:/health\nInterval=2s\nTimeout=500ms\nDrain=0',
    [
      {
        ...PLAIN,
        name: 'a',
        port: 1,
        check: { type: 'http', path: '/health' },
        intervalMs: 2000,
        timeoutMs: 500,
        drainMs: 0,
      },
    ],
  ],
  ['Name=a\nPort=1\nCheck=tcp', [{ ...PLAIN, name: 'a', port: 1, check: { type: 'tcp' } }]],
  ['Name=a\nPort=1\nCheck=grpc:x.Y', [{ ...PLAIN, name: 'a', port: 1, check: { type: 'grpc', service: 'x.Y' } }]],
  [
    'Name=a\nPort=1\nCheck=script:/bin/sh -c "exit 1"',
    [{ ...PLAIN, name: 'a', port: 1, check: { type: 'script', args: ['/bin/sh', '-c', 'exit 1'] } }],
  ],
  ['Name=a\nPort=1\nCheck=ttl:1min', [{ ...PLAIN, name: 'a', port: 1, check: { type: 'ttl', ttlMs: 60_000 } }]],
];
for (const [section, services] of SERVICES) {
  test(`${JSON.stringify(section)} is understood`, () => {
    assert.deepEqual(read(`[X-Service]\n${section}\n`), { services, told: [] });
  });
}

const PROBLEMS: readonly (readonly [section: string, problem: RegExp])[] = [
  ['Name=a\nPort=1\nPort=2', /^error 4: Port=2 is a second port of one service/],
  ['Name=a', /^error 2: the service a has no Port=/],
  ['Name=a b\nPort=1', /^error 2: Name=a b is no name for DNS/],
  ['Name=a\nPort=0', /^error 3: Port=0 is no port/],
  ['Name=a\nPort=http', /^error 3: Port=http is no port/],
  ['Name=a\nPort=1\nCheck=ping', /^error 4: Check=ping is none of http:\/PATH/],
  ['Name=a\nPort=1\nCheck=http:health', /^error 4: Check=http:health is none/],
  ['Name=a\nPort=1\nInterval=0', /^error 4: Interval=0 is no time like 2s/],
  ['Name=a\nPort=1\nDrain=soon', /^error 4: Drain=soon is no time/],
  ['Name=a\nPort=1\nHost=a b/c', /^error 4: Host=a b\/c is no host name/],
  ['Name=a\nPort=1\nPath=x', /^error 4: Path=x does not begin with/],
  ['Name=a\nPort=1\nMeta=x', /^error 4: Meta=x is not key=value/],
  ['Name=a\nPort=1\nName=a\nPort=1', /^error 4: the service a stands here twice/],
  ['Name=a\nPort=1\nColour=red', /^warning 4: unknown option Colour= in \[X-Service\] is ignored/],
  ['Name=a\nPort=1\n[XService]\nName=b', /^warning 5: section \[XService\] is ignored: did you mean \[X-Service\]/],
];
for (const [section, problem] of PROBLEMS) {
  test(`${JSON.stringify(section)} is told of`, () => {
    assert.match(read(`[X-Service]\n${section}\n`).told.join('\n'), problem);
  });
}

test('a template may name its services and ports after its instances', () => {
  const text = '[X-Service]\nName=%i\nPort=80%i\nCheck=tcp\n';
  const { options, lines } = parseUnitFile(text);
  assert.deepEqual(checkUnit('web@.service', options, lines), []);
  assert.match(checkUnit('web@x.service', options, lines)[0]!.message, /^Port=80%i is no port/);
});

const CONTAINERS: readonly (readonly [command: string, names: readonly string[]])[] = [
  ['ExecStart=/usr/bin/docker run --rm --name paas-%i -P image', ['paas-1']],
  ['ExecStart=-/usr/bin/docker -H x run --name=%p image --name other', ['paas', 'other']],
  ['ExecStart=@podman podman create --name a image', ['a']],
  ['ExecStart=/usr/bin/docker run image', []],
  ['ExecStart=/bin/run --name a', []],
  ['ExecStop=/usr/bin/docker run --name a image', []],
  [`ExecStart=/usr/bin/docker run --name a ${'%n '.repeat(1000)}`, ['a']],
  [`ExecStart=/usr/bin/docker run --name a ${'%n '.repeat(10_000)}`, []],
];
for (const [command, names] of CONTAINERS) {
  test(`${command.slice(0, 80)} runs ${names.join() || 'no container that can be told'}`, () => {
    const { options } = parseUnitFile(`[Service]\n${command}\n`);
    assert.deepEqual(containerNames('paas@1.service', options), names);
  });
}
