import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFlotillaError } from '../lib/index.ts';
import { cutPage, decodePageToken, encodePageToken, pageOf } from './page-token.ts';

const uint16 = fc.integer({ min: 1, max: 0xffff });

test('a token is the padded URL-safe base64 of limit and page, little-endian', () => {
  assert.equal(encodePageToken({ limit: 100, page: 2 }), 'ZAACAA==');
  assert.equal(encodePageToken({ limit: 1, page: 1 }), 'AQABAA==');
  assert.equal(encodePageToken({ limit: 0xfbff, page: 0xfeff }), '__v__g==');
});

test('every token reads back as what it was made of', () => {
  fc.assert(
    fc.property(uint16, uint16, (limit, page) => {
      assert.deepEqual(decodePageToken(encodePageToken({ limit, page })), { limit, page });
    }),
  );
});

test('what is no token is refused', () => {
  for (const token of [
    '',
    'x',
    'ZAACAA',
    'ZAACAA=',
    ' ZAACAA==',
    'ZAACAA==\n',
    'ZAAC',
    'ZAACAAAA',
    'ZAAAAA==',
    '%%%%',
    '//v//g==',
  ]) {
    assert.equal(decodePageToken(token), undefined, JSON.stringify(token));
  }
});

test('one token of this server, or none, is what a request may carry', () => {
  const refused = (tokens: string[]) =>
    assert.throws(
      () => pageOf(tokens, 100),
      (error) => isFlotillaError(error, 'invalid'),
    );
  assert.deepEqual(pageOf([], 100), { limit: 100, page: 1 });
  assert.deepEqual(pageOf(['ZAACAA=='], 100), { limit: 100, page: 2 });
  refused(['ZAACAA==', 'ZAACAA==']);
  refused(['AQABAA==']);
  refused(['nonsense']);
});

test('following the tokens visits every item once and in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (items, limit) => {
      const seen: number[] = [];
      let tokens: string[] = [];
      for (;;) {
        const cut = cutPage(items, pageOf(tokens, limit));
        assert.ok(cut.items.length <= limit);
        seen.push(...cut.items);
        if (cut.nextPageToken === undefined) break;
        assert.equal(cut.items.length, limit);
        tokens = [cut.nextPageToken];
      }
      assert.deepEqual(seen, items);
    }),
  );
});
