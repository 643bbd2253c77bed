import { STATUS_CODES } from 'node:http';

/** Tabs, spaces, visible characters, and bytes above ASCII (RFC 9112 §4). */
const REASON = /^[\t\x20-\x7e\x80-\xff]+$/;

/**
 * Returns the reason phrase for a client, one character per byte. A phrase with control characters, which Node refuses
 * to send, is replaced by the standard one.
 */
export function reasonOf(status: number, phrase: string | undefined): string {
  return phrase !== undefined && REASON.test(phrase) ? phrase : (STATUS_CODES[status] ?? '');
}
