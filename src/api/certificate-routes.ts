import type { Context, Hono } from 'hono';
import { FlotillaError } from '../lib/index.ts';
import { assertFresh, isCertificateName, readCertificate } from '../router/index.ts';
import { answerEmpty, answerJson } from './answers.ts';
import type { ApiParts } from './api-parts.ts';
import { certificatePutBody, readBodyAs } from './bodies.ts';
import { readJsonBody } from './request-body.ts';
import type { ApiCertificate, ApiCertificateList } from './schema.ts';

/** /router/certificates: those in the store. What is a secret of them goes in and never comes out. */
export function certificateRoutes(app: Hono, parts: ApiParts): void {
  app.get('/router/certificates', () => listCertificates(parts));
  app.put('/router/certificates/:name', (c) => putCertificate(c, parts));
  app.delete('/router/certificates/:name', (c) => removeCertificate(c, parts));
}

async function listCertificates({ options, reader }: ApiParts): Promise<Response> {
  const certificates = await reader.view.call(() => options.cluster.certificates());
  const described = [...certificates].map(([name, pem]) => describe(name, pem));
  return answerJson({ certificates: described } satisfies ApiCertificateList);
}

/** One that somebody has put into the store by other means may be anything. */
function describe(name: string, pem: string): ApiCertificate {
  try {
    return { name, ...readCertificate(pem) };
  } catch {
    return { name, hosts: [], expiresMs: 0 };
  }
}

async function putCertificate(c: Context, { options, reader }: ApiParts): Promise<Response> {
  const { clock, cluster, log } = options;
  const name = nameOf(c);
  const { pem } = readBodyAs(certificatePutBody, await readJsonBody(c.req.raw));
  const facts = readCertificate(pem);
  assertFresh(facts, clock.now());
  const isNew = await reader.view.call(() => cluster.putCertificate(name, pem));
  log.info('Certificate stored', { name, hosts: facts.hosts.join(' '), expiresMs: facts.expiresMs });
  return answerEmpty(isNew ? 201 : 204);
}

async function removeCertificate(c: Context, { options, reader }: ApiParts): Promise<Response> {
  const name = nameOf(c);
  const existed = await reader.view.call(() => options.cluster.removeCertificate(name));
  if (!existed) throw new FlotillaError('not-found', `there is no certificate ${name} in the store`);
  options.log.info('Certificate removed', { name });
  return answerEmpty(204);
}

function nameOf(c: Context): string {
  const name = c.req.param('name') ?? '';
  if (isCertificateName(name)) return name;
  throw new FlotillaError(
    'invalid',
    'the name of a certificate is made of letters, digits, dots, dashes and underscores, and begins with none of the last three',
  );
}
