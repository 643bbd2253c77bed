import { z } from 'zod';
import { calls } from './call.ts';
import { type BodyShape, integer, named, type Shape, text } from './kinds.ts';

const certificate = named(
  'Certificate',
  z.object({
    name: text,
    hosts: z.array(text).describe('The names it is for, `*.example.com` and addresses among them.'),
    expiresMs: integer.describe('Milliseconds since 1970; 0 for what cannot be read.'),
  }),
);
export type ApiCertificate = Shape<typeof certificate>;

const certificateList = named('CertificateList', z.object({ certificates: z.array(certificate).describe('By name.') }));

const certificatePut = named(
  'CertificatePut',
  z.object({ pem: text.describe('The certificate, its chain and its key.') }),
);
export type ApiCertificatePut = BodyShape<typeof certificatePut>;

/** The text of a certificate goes in and never comes out, since its key is a secret. */
export const certificateCalls = calls({
  Certificates: {
    id: 'fleet.Router.Certificates',
    description: 'The certificates in the store, without their keys.',
    method: 'GET',
    path: 'router/certificates',
    responses: { 200: { json: certificateList } },
  },
  SetCertificate: {
    id: 'fleet.Router.SetCertificate',
    description: 'Store a certificate with its chain and key, in the place of the one of that name.',
    method: 'PUT',
    path: 'router/certificates/{certificateName}',
    body: certificatePut,
    responses: {
      201: { empty: 'The certificate is stored; there was none of that name.' },
      204: { empty: 'The certificate has replaced the one of that name.' },
    },
    errors: ['too-large', 'full'],
  },
  DeleteCertificate: {
    id: 'fleet.Router.DeleteCertificate',
    description: 'Remove a certificate from the store.',
    method: 'DELETE',
    path: 'router/certificates/{certificateName}',
    responses: { 204: { empty: 'The certificate is removed.' } },
    errors: ['not-found', 'full'],
  },
});
