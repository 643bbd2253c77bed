import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { FlotillaError, messageOf } from '../lib/index.ts';

/** The public facts about a certificate. */
export interface CertificateFacts {
  /** The names that it is valid for in lower case, including `*.example.com` and addresses. */
  readonly hosts: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresMs: number;
}

/**
 * Limit for a certificate with its chain, in bytes. Clients limit the handshake message that carries it: Go before 1.20
 * to 65,536 bytes (crypto/tls maxHandshake), OpenSSL to 102,400 (SSL_CTX_set_max_cert_list(3)).
 */
const MAX_CHAIN_BYTES = 64_000;

/** True for a valid name of a certificate in the store, which is the name of its file as well. */
export function isCertificateName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name);
}

/**
 * Reads a certificate, its chain and its key from one PEM text. Throws FlotillaError `invalid` with the reason: no
 * certificate, no key, a key of another certificate, or a chain too long for clients. Accepts an expired certificate.
 */
export function readCertificate(pem: string): CertificateFacts {
  assertShort(pem);
  const certificate = readLeaf(pem);
  if (!certificate.checkPrivateKey(readKey(pem)))
    throw wrong('its key does not belong to its first certificate; put that before its chain, and its own key with it');
  return { hosts: hostsOf(certificate), expiresMs: Date.parse(certificate.validTo) };
}

/** Throws FlotillaError `invalid` for a certificate that clients would refuse at `nowMs`. */
export function assertFresh({ expiresMs }: CertificateFacts, nowMs: number): void {
  if (expiresMs <= nowMs)
    throw wrong(
      `it expired on ${new Date(expiresMs).toISOString().slice(0, 10)}; get a new one from whoever issued it`,
    );
}

function assertShort(pem: string): void {
  const blocks = [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g)];
  const bytes = blocks.reduce((sum, [, base64]) => sum + Buffer.byteLength(base64!.replace(/\s/g, ''), 'base64'), 0);
  if (bytes > MAX_CHAIN_BYTES)
    throw wrong(
      `it has ${bytes} bytes with its chain of ${blocks.length}, and clients take ${MAX_CHAIN_BYTES}: leave out what does not lead from it to its issuer`,
    );
}

function readLeaf(pem: string): X509Certificate {
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw wrong('there is no certificate in it; put certificate, chain and key into one file, in PEM');
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw wrong(`it cannot be read as a certificate (${messageOf(error)})`);
  }
}

function readKey(pem: string): KeyObject {
  if (!/-----BEGIN ([A-Z]+ )*PRIVATE KEY-----/.test(pem))
    throw wrong('there is no private key in it; put certificate, chain and key into one file, in PEM');
  try {
    return createPrivateKey(pem);
  } catch (error) {
    if (/passphrase/i.test(messageOf(error)) || pem.includes('ENCRYPTED'))
      throw wrong('its key is protected by a password; take that away, with openssl pkey for one');
    throw wrong(`its key cannot be read (${messageOf(error)})`);
  }
}

/** Returns the alternative names; the common name only if there are none. */
function hostsOf({ subject, subjectAltName }: X509Certificate): readonly string[] {
  const alternatives = [...(subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s"]+)/g)].map(([, name]) => name!);
  const common = /^CN=(.+)$/m.exec(subject)?.[1];
  return (alternatives.length > 0 ? alternatives : common ? [common] : []).map((name) => name.toLowerCase());
}

function wrong(what: string): FlotillaError {
  return new FlotillaError('invalid', `that certificate cannot be used: ${what}`);
}
