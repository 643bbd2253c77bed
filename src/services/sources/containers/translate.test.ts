import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Registration } from '../../index.ts';
import type { ContainerInspect, PortBinding } from './inspect.ts';
import { splitTags } from './service-variables.ts';
import { excessOf, registrationsOf } from './translate.ts';

const MACHINE = { hostName: 'm1', address: '10.0.0.1', internal: false };

interface Said {
  readonly image?: string;
  readonly env?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly exposed?: readonly string[];
  readonly published?: Readonly<Record<string, readonly PortBinding[] | null>>;
}

function container({
  image = 'me/web:1',
  env = [],
  labels = {},
  exposed = [],
  published = {},
}: Said): ContainerInspect {
  return {
    Id: 'c0ffee',
    Name: '/web-1',
    Config: {
      Image: image,
      Env: env,
      Labels: labels,
      ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])),
    },
    NetworkSettings: { Ports: published },
  };
}

const at = (HostPort: string, HostIp = '0.0.0.0') => [{ HostIp, HostPort }];
const ONE = { '80/tcp': at('32768') };
const TWO = { '80/tcp': at('32768'), '443/tcp': at('32769') };

type Shown = Partial<Pick<Registration, 'id' | 'name' | 'address' | 'port' | 'tags' | 'meta'>>;

const CASES: readonly (readonly [what: string, said: Said, shown: readonly Shown[]])[] = [
  [
    'named after the image',
    { published: ONE },
    [{ id: 'm1:web-1:80', name: 'web', address: '', port: 32768, meta: {} }],
  ],
  ['an image of a registry', { image: 'host:5000/a/b@sha256:12', published: ONE }, [{ name: 'b' }]],
  ['nothing without ports', {}, []],
  ['an exposed port that is not published', { exposed: ['80/tcp'], published: { '80/tcp': null } }, []],
  ['an exposed port with --net=host', { exposed: ['80/tcp'] }, [{ port: 80 }]],
  ['published wins over exposed', { exposed: ['80/tcp'], published: ONE }, [{ port: 32768 }]],
  ['several are a group', { published: TWO }, [{ name: 'web-80' }, { name: 'web-443' }]],
  [
    'a group counts before IGNORE',
    { published: TWO, env: ['SERVICE_443_IGNORE=yes'] },
    [{ name: 'web-80', id: 'm1:web-1:80' }],
  ],
  ['an empty IGNORE says nothing', { published: ONE, env: ['SERVICE_IGNORE='] }, [{ name: 'web', meta: {} }]],
  ['a name', { published: ONE, env: ['SERVICE_NAME=x'] }, [{ name: 'x' }]],
  ['a name of a group', { published: TWO, env: ['SERVICE_NAME=x'] }, [{ name: 'x-80' }, { name: 'x-443' }]],
  ['a name of a port', { published: TWO, env: ['SERVICE_80_NAME=x'] }, [{ name: 'x' }, { name: 'web-443' }]],
  [
    'variables of a port override those of all ports',
    { published: ONE, env: ['SERVICE_80_A=p', 'SERVICE_A=g'] },
    [{ meta: { a: 'p' } }],
  ],
  ['labels win', { published: ONE, env: ['SERVICE_NAME=e'], labels: { SERVICE_NAME: 'l' } }, [{ name: 'l' }]],
  ['an id', { published: ONE, env: ['SERVICE_ID=x'] }, [{ id: 'x' }]],
  ['an id of a port', { published: TWO, env: ['SERVICE_80_ID=x'] }, [{ id: 'x' }, { id: 'm1:web-1:443' }]],
  ['UDP', { published: { '53/udp': at('53') } }, [{ id: 'm1:web-1:53:udp', tags: ['udp'] }]],
  ['tags', { published: ONE, env: ['SERVICE_TAGS=a,,b\\,c, d'] }, [{ tags: ['a', 'b,c', 'd'] }]],
  ['tags of a port', { published: ONE, env: ['SERVICE_TAGS=a', 'SERVICE_80_TAGS=b'] }, [{ tags: ['b'] }]],
  [
    'the rest is meta',
    { published: ONE, env: ['SERVICE_Region=eu', 'SERVICE_81_X=1', 'PATH=/'] },
    [{ meta: { region: 'eu' } }],
  ],
  ['a value with =', { published: ONE, env: ['SERVICE_X=a=b'] }, [{ meta: { x: 'a=b' } }]],
  ['a binding to one address', { published: { '80/tcp': at('80', '192.168.1.2') } }, [{ address: '192.168.1.2' }]],
  ['a binding to all addresses of IPv6', { published: { '80/tcp': at('80', '::') } }, [{ address: '' }]],
  [
    'a binding to loopback',
    { published: { '80/tcp': at('80', '127.0.0.1'), '81/tcp': at('81') } },
    [{ name: 'web', port: 81 }],
  ],
];
for (const [what, said, shown] of CASES) {
  test(what, () => {
    const found = registrationsOf(container(said), MACHINE);
    const parts = found.map((registration, i) =>
      Object.fromEntries(Object.keys(shown[i] ?? {}).map((key) => [key, registration[key as keyof Shown]])),
    );
    assert.deepEqual(parts, shown);
  });
}

const INTERNAL = { ...MACHINE, internal: true };
const places = (found: readonly Registration[]) => found.map(({ name, address, port }) => `${name} ${address}:${port}`);

test('with docker_internal, services answer at the address of their container', () => {
  const published = { ...ONE, '81/tcp': null, '82/tcp': at('82', '127.0.0.1') };
  const { NetworkSettings, ...rest } = container({ exposed: ['80/tcp', '81/tcp'], published });
  const bridge = { ...NetworkSettings, IPAddress: '172.17.0.2' };
  const expected = ['web-80 172.17.0.2:80', 'web-81 172.17.0.2:81', 'web-82 172.17.0.2:82'];
  assert.deepEqual(places(registrationsOf({ ...rest, NetworkSettings: bridge }, INTERNAL)), expected);
  const own = { ...NetworkSettings, IPAddress: '', Networks: { mine: { IPAddress: '172.17.0.2' } } };
  assert.deepEqual(places(registrationsOf({ ...rest, NetworkSettings: own }, INTERNAL)), expected);
  const onHost = container({ exposed: ['80/tcp'], env: ['SERVICE_CHECK_TCP=true'] });
  const [found] = registrationsOf(onHost, INTERNAL);
  assert.deepEqual(places([found!]), ['web :80']);
  assert.deepEqual(found!.checks[0]?.probe, { type: 'tcp', host: '10.0.0.1', port: 80, ...PACE });
});

const PACE = { intervalMs: 10_000, timeoutMs: 10_000 };
const WEB = { headers: {}, body: '', verify: false };
const CHECKS: readonly (readonly [env: string, check: object | undefined])[] = [
  ['', undefined],
  ['CHECK_HTTP=/health', { type: 'http', url: 'http://10.0.0.1:32768/health', method: 'GET', ...WEB, ...PACE }],
  [
    'CHECK_HTTPS=x CHECK_HTTP_METHOD=HEAD',
    { type: 'https', url: 'https://10.0.0.1:32768/x', method: 'HEAD', ...WEB, ...PACE },
  ],
  [
    '80_CHECK_TCP=true CHECK_INTERVAL=2s CHECK_TIMEOUT=1s',
    { type: 'tcp', host: '10.0.0.1', port: 32768, intervalMs: 2000, timeoutMs: 1000 },
  ],
  ['CHECK_TCP=false', undefined],
  ['CHECK_TTL=1m30s CHECK_TCP=true', { type: 'ttl', ttlMs: 90_000 }],
  ['CHECK_GRPC=true', { type: 'grpc', host: '10.0.0.1', port: 32768, service: '', tls: false, verify: false, ...PACE }],
  [
    'CHECK_SCRIPT=nc_$SERVICE_IP_$SERVICE_PORT:$SERVICE_IP',
    {
      type: 'script',
      args: ['sh', '-c', 'nc_$SERVICE_IP_32768:10.0.0.1'],
      env: { SERVICE_IP: '10.0.0.1', SERVICE_PORT: '32768' },
      ...PACE,
    },
  ],
];
for (const [env, probe] of CHECKS) {
  test(`${env || 'nothing'} makes ${probe ? 'a check' : 'no check'}`, () => {
    const said = env === '' ? [] : env.split(' ').map((word) => `SERVICE_${word}`);
    const [registration] = registrationsOf(container({ published: ONE, env: said }), MACHINE);
    assert.deepEqual(registration?.checks[0]?.probe, probe);
  });
}

test('a check has its initial status, and the time after which its service is deregistered', () => {
  const env = ['SERVICE_CHECK_TCP=true', 'SERVICE_CHECK_INITIAL_STATUS=passing', 'SERVICE_CHECK_DEREGISTER_AFTER=5m'];
  const [check] = registrationsOf(container({ published: ONE, env }), MACHINE)[0]!.checks;
  assert.equal(check?.id, 'service:m1:web-1:80');
  assert.equal(check.status, 'passing');
  assert.equal(check.deregisterAfterMs, 300_000);
});

test('any order of variables gives the same services', () => {
  const variables = [
    'SERVICE_NAME=n',
    'SERVICE_80_NAME=p',
    'SERVICE_TAGS=a',
    'SERVICE_443_TAGS=b',
    'SERVICE_X=1',
    'SERVICE_80_X=2',
  ];
  const expected = registrationsOf(container({ published: TWO, env: variables }), MACHINE);
  fc.assert(
    fc.property(fc.shuffledSubarray(variables, { minLength: variables.length }), (env) => {
      const found = registrationsOf(container({ published: TWO, env }), MACHINE);
      assert.deepEqual(found, expected);
    }),
  );
});

test('no tag is empty or listed twice', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const tags = splitTags(text);
      assert.equal(new Set(tags).size, tags.length);
      assert.ok(tags.every((tag) => tag.trim() !== ''));
    }),
  );
});

test('a container has at most 1,024 ports, and 512 KiB of variables for all of them', () => {
  const exposed = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}/tcp`);
  const excess = (said: Said) => excessOf(container(said), MACHINE);
  assert.equal(excess({ exposed: exposed(1024) }), undefined);
  assert.equal(excess({ exposed: exposed(1025) }), 'it has 1025 ports, at most 1024 become services: publish fewer');
  const labels = (chars: number) => ({ SERVICE_A: 'x'.repeat(chars - 'SERVICE_A'.length) });
  assert.equal(excess({ exposed: exposed(1024), labels: labels(512), env: ['OTHER=x'] }), undefined);
  assert.equal(
    excess({ exposed: exposed(1024), labels: labels(513) }),
    'its SERVICE_ variables have 513 characters for each of 1024 ports, at most 524288 fit together: set fewer, or publish fewer ports',
  );
  assert.equal(excess({ exposed: exposed(8), labels: labels(65_536) }), undefined);
  const sentence = 'its SERVICE_ variables have 65537 characters, at most 65536 fit: set fewer';
  assert.equal(excess({ exposed: exposed(1), labels: labels(65_537) }), sentence);
});
