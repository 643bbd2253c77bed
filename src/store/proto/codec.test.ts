import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bool, bytes, id, int, message, nested, repeated, repeatedBytes, repeatedInt, text } from './codec.ts';

const Inner = message({ name: text(1), number: int(2) });
const Outer = message({
  flag: bool(1),
  data: bytes(2),
  number: int(3),
  lease: id(4),
  word: text(5),
  inner: nested(6, () => Inner),
  inners: repeated(7, () => Inner),
  blobs: repeatedBytes(8),
  numbers: repeatedInt(9),
  far: bool(64),
});

const buffer = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const plain = { noNullPrototype: true };
const inner = fc.record({ name: fc.string({ unit: 'grapheme' }), number: fc.maxSafeInteger() }, plain);
const outer = fc.record(
  {
    flag: fc.boolean(),
    data: buffer,
    number: fc.maxSafeInteger(),
    lease: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    word: fc.string({ unit: 'grapheme' }),
    inner: fc.option(inner, { nil: undefined }),
    inners: fc.array(inner),
    blobs: fc.array(buffer),
    numbers: fc.array(fc.nat()),
    far: fc.boolean(),
  },
  plain,
);

test('what is encoded is decoded again', () => {
  fc.assert(fc.property(outer, (value) => assert.deepEqual(Outer.decode(Outer.encode(value)), value)));
});

test('the bytes are those that protobuf asks for', () => {
  const hex = (value: Parameters<typeof Outer.encode>[0]) => Outer.encode(value).toString('hex');
  assert.equal(hex({}), '');
  assert.equal(hex({ flag: false, number: 0, lease: 0n, word: '', data: Buffer.alloc(0), inners: [] }), '');
  assert.equal(hex({ flag: true, number: 150, far: true }), '08011896018004' + '01');
  assert.equal(hex({ number: -1 }), '18ffffffffffffffffff01');
  assert.equal(hex({ lease: 2n ** 63n }), '2080808080808080808001');
  assert.equal(hex({ inner: {} }), '3200');
  assert.equal(hex({ word: 'testing', blobs: [Buffer.alloc(0), Buffer.from('x')] }), '2a0774657374696e674200420178');
});

test('fields it does not know are passed over, packed numbers are read', () => {
  const unknown = Buffer.from('f8ff03960182fb0301618dfb0301020304a1fb030102030405060708', 'hex');
  assert.deepEqual(Inner.decode(Buffer.concat([unknown, Inner.encode({ number: 7 })])), { name: '', number: 7 });
  assert.deepEqual(Outer.decode(Buffer.from('4a0101', 'hex')).numbers, [1]);
  assert.deepEqual(Outer.decode(Buffer.from('4a03019601', 'hex')).numbers, [1, 150]);
});

test('bytes that are no message are refused, never misread beyond their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (array) => {
      try {
        Outer.decode(array);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
  );
});

test('a message cut off anywhere inside its last field is refused', () => {
  const whole = Outer.encode({ flag: true, data: Buffer.alloc(200, 1) });
  for (let end = 3; end < whole.length; end++) assert.throws(() => Outer.decode(whole.subarray(0, end)), RangeError);
});
