import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { makeCertificate, noOpenssl } from '../../test/contract/make-certificate.ts';
import { assertFresh, isCertificateName, readCertificate } from './certificate.ts';

describe('a certificate', { skip: noOpenssl }, () => {
  const own = noOpenssl ? { cert: '', key: '' } : makeCertificate('Www.Example.com', '*.example.com');
  const other = noOpenssl ? { cert: '', key: '' } : makeCertificate('other.com');

  test('is read with its key before or behind it, and its chain', () => {
    for (const pem of [
      own.cert + own.key,
      own.key + own.cert,
      own.cert + other.cert + own.key,
      own.cert + other.cert.repeat(9) + own.key,
    ]) {
      const { hosts, expiresMs } = readCertificate(pem);
      assert.deepEqual(hosts, ['www.example.com', '*.example.com']);
      const days = (expiresMs - Date.now()) / 86_400_000;
      assert.ok(days > 1 && days < 3, `${days} days`);
    }
  });

  test('that is of no use is refused in a sentence that says why', () => {
    const locked = spawnSync('openssl', ['pkey', '-aes128', '-passout', 'pass:x'], { input: own.key }).stdout;
    const cases: readonly (readonly [string, RegExp])[] = [
      ['', /no certificate in it/],
      [own.key, /no certificate in it/],
      [own.cert, /no private key in it/],
      [own.cert + other.key, /key does not belong to its first certificate/],
      [other.cert + own.cert + own.key, /key does not belong to its first certificate/],
      [own.cert + locked, /protected by a password/],
      [own.cert.replace(/\n[^\n]{10}/, '\n!!!!') + own.key, /cannot be read as a certificate/],
      [own.cert.repeat(900) + own.key, /bytes with its chain of 900, and clients take 64000: leave out/],
      [own.cert + own.key.replace(/\n[^\n]{10}/, '\n!!!!'), /key cannot be read/],
    ];
    for (const [pem, message] of cases) assert.throws(() => readCertificate(pem), { code: 'invalid', message });
  });

  test('that has expired is refused with the day', () => {
    const facts = { hosts: ['a'], expiresMs: Date.UTC(2026, 1, 3, 12) };
    assertFresh(facts, facts.expiresMs - 1);
    assert.throws(() => assertFresh(facts, facts.expiresMs), { code: 'invalid', message: /expired on 2026-02-03/ });
  });
});

test('a name is that of a file as well', () => {
  for (const name of ['a', 'www.example.com', 'A_b-c.9']) assert.equal(isCertificateName(name), true, name);
  for (const name of ['', '.', '..', '.a', '-a', 'a/b', '../a', 'a b', 'ä', 'a'.repeat(129)])
    assert.equal(isCertificateName(name), false, name);
});
