import { STATUS_CODES } from 'node:http';

/** Tabs, spaces and visible characters, with the bytes above ASCII (RFC 9112, 4). */
const REASON = /^[\t\x20-\x7e\x80-\xff]+$/;

/**
 * The reason phrase for a client, one character for each byte. A backend's phrase with control characters is replaced by the
 * usual one: Node refuses to send it, and clients have no use for it.
 */
export function reasonOf(status: number, phrase: string | undefined): string {
  return phrase !== undefined && REASON.test(phrase) ? phrase : (STATUS_CODES[status] ?? '');
}
