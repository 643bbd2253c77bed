import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventStreamParser, MAX_EVENT_CHARS } from './event-stream-parser.ts';

const STREAM =
  'retry: 1000\n\n:\n\ndata: one\n\nid: 7\ndata: two\n\ndata: a\ndata: b\nevent: x\n\ndata:tight\r\n\r\nid: 8\n\ndata\n\n';
const EVENTS = [
  { id: undefined, data: 'one' },
  { id: '7', data: 'two' },
  { id: '7', data: 'a\nb' },
  { id: '7', data: 'tight' },
  { id: '8', data: '' },
];

test('events are the same however the stream is cut into chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(STREAM.length)), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), STREAM.length];
      const parser = new EventStreamParser();
      const events = at.slice(1).flatMap((end, i) => parser.feed(STREAM.slice(at[i], end)));
      assert.deepEqual(events, EVENTS);
    }),
  );
});

test('an event that is not complete is not given', () => {
  assert.deepEqual(new EventStreamParser().feed('id: 1\ndata: half'), []);
});

test('an event or line that never ends is refused at a limit, and one below it is given', () => {
  const half = 'x'.repeat(MAX_EVENT_CHARS / 2 - 10);
  const line = new EventStreamParser();
  assert.deepEqual(line.feed(`data: ${half}`), []);
  assert.equal(line.feed('\n\n')[0]!.data.length, half.length);
  assert.deepEqual(line.feed(`data: ${half}`), []);
  assert.throws(() => line.feed(`${half}${'x'.repeat(40)}`), { code: 'too-large' });
  const lines = new EventStreamParser();
  assert.deepEqual(lines.feed(`data: ${half}\n`), []);
  assert.throws(() => lines.feed(`data: ${half}\ndata: ${'x'.repeat(40)}\n`), { code: 'too-large' });
});
