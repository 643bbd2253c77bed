import { FlotillaError } from '../lib/index.ts';
import { assertFresh, isCertificateName, readCertificate } from '../router/index.ts';
import type { ApiParts } from './api-parts.ts';
import type { Asked, Handlers } from './call-handlers.ts';
import type { ApiCertificate, certificateCalls } from './shapes/index.ts';

/** The certificates in the store. Their secrets go in and never come out. */
export function certificateHandlers(parts: ApiParts): Handlers<typeof certificateCalls> {
  const { options, reader } = parts;
  return {
    Certificates: async () => {
      const certificates = await reader.view.call(() => options.cluster.certificates());
      return { certificates: [...certificates].map(([name, pem]) => describe(name, pem)) };
    },
    SetCertificate: (asked) => putCertificate(asked, parts),
    DeleteCertificate: ({ path }) => removeCertificate(path.certificateName, parts),
  };
}

/** One that somebody has put into the store by other means may be anything. */
function describe(name: string, pem: string): ApiCertificate {
  try {
    return { name, ...readCertificate(pem) };
  } catch {
    return { name, hosts: [], expiresMs: 0 };
  }
}

async function putCertificate(
  { path: { certificateName: name }, body }: Asked<typeof certificateCalls.SetCertificate>,
  { options, reader }: ApiParts,
): Promise<201 | 204> {
  const { clock, cluster, log } = options;
  assertName(name);
  const { pem } = await body();
  const facts = readCertificate(pem);
  assertFresh(facts, clock.now());
  const isNew = await reader.view.call(() => cluster.putCertificate(name, pem));
  log.info('Certificate stored', { name, hosts: facts.hosts.join(' '), expiresMs: facts.expiresMs });
  return isNew ? 201 : 204;
}

async function removeCertificate(name: string, { options, reader }: ApiParts): Promise<204> {
  assertName(name);
  const existed = await reader.view.call(() => options.cluster.removeCertificate(name));
  if (!existed) throw new FlotillaError('not-found', `there is no certificate ${name} in the store`);
  options.log.info('Certificate removed', { name });
  return 204;
}

function assertName(name: string): void {
  if (isCertificateName(name)) return;
  throw new FlotillaError(
    'invalid',
    'the name of a certificate is made of letters, digits, dots, dashes and underscores, and begins with none of the last three',
  );
}
