import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, frame } from './frame.ts';
import { decodeStatusMessage, encodeStatusMessage } from './status.ts';

test('messages come out whole however the stream is cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, sizes) => {
      const stream = Buffer.concat(sent.map(frame));
      const reader = new FrameReader(1000);
      const got: Buffer[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length]!;
        got.push(...reader.push(stream.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(got, sent.map(Buffer.from));
    }),
  );
});

test('what is too long or compressed is refused before it is collected', () => {
  assert.throws(() => new FrameReader(10).push(Buffer.from([0, 0, 0, 0, 11])), /11 bytes is larger than the 10/);
  assert.throws(() => new FrameReader(10).push(Buffer.from([1, 0, 0, 0, 1])), /compressed/);
});

test('status messages of any characters travel in a header', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const header = encodeStatusMessage(text);
      assert.match(header, /^[ -~]*$/);
      assert.equal(decodeStatusMessage(header), text);
    }),
  );
  assert.equal(decodeStatusMessage('100%'), '100%');
});
