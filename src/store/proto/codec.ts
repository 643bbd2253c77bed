import { WireReader, WireWriter } from './wire.ts';

/** Encodes and decodes one field. `In` is the type that encode takes, `Out` the type that decode returns. */
export interface Field<Out, In = Out> {
  readonly number: number;
  readonly wireType: number;
  initial(): Out;
  /** Writes tag and value, or nothing when the value is the default. */
  write(writer: WireWriter, value: In): void;
  /** Reads one occurrence and returns the field's new value. */
  read(reader: WireReader, before: Out, wireType: number): Out;
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where fields of all types meet
type AnyField = Field<any, any>;
type Fields = Readonly<Record<string, AnyField>>;
type Decoded<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer Out, infer _> ? Out : never };
type Encodable<F extends Fields> = {
  readonly [K in keyof F]?: (F[K] extends Field<infer _, infer In> ? In : never) | undefined;
};

/** A protobuf message type. Fields absent in the input have their default, for encoding and decoding alike. */
export interface MessageType<Out, In> {
  encode(value: In): Buffer;
  /** Throws RangeError for malformed or too deeply nested bytes. Byte fields share memory with `bytes`. */
  decode(bytes: Uint8Array, depth?: number): Out;
  writeTo(writer: WireWriter, value: In): void;
}

/** The type that `decode` of a message type returns. */
export type DecodedMessage<M> = M extends MessageType<infer Out, infer _> ? Out : never;
/** The type that `encode` of a message type takes. */
export type EncodableMessage<M> = M extends MessageType<infer _, infer In> ? In : never;

/** Defines a message type by its fields. */
export function message<F extends Fields>(fields: F): MessageType<Decoded<F>, Encodable<F>> {
  const named = Object.entries(fields) as [string, AnyField][];
  const byNumber = new Map(named.map((entry) => [entry[1].number, entry]));
  const writeTo = (writer: WireWriter, value: Encodable<F>) => {
    for (const [name, field] of named) {
      const given = value[name];
      if (given !== undefined) field.write(writer, given);
    }
  };
  return {
    writeTo,
    encode(value) {
      const writer = new WireWriter();
      writeTo(writer, value);
      return writer.finish();
    },
    decode(bytes, depth = 0) {
      const reader = new WireReader(bytes, depth);
      const out: Record<string, unknown> = {};
      for (const [name, field] of named) out[name] = field.initial();
      while (!reader.done) {
        const tag = reader.varint();
        const entry = byNumber.get(Math.floor(tag / 8));
        if (!entry) reader.skip(tag & 7);
        else out[entry[0]] = entry[1].read(reader, out[entry[0]], tag & 7);
      }
      return out as Decoded<F>;
    },
  };
}

/** int32, int64 and enums whose values stay within ±2^53. */
export function int(number: number): Field<number> {
  return {
    number,
    wireType: 0,
    initial: () => 0,
    write(writer, value) {
      if (value === 0) return;
      writer.varint(number * 8);
      if (value > 0) writer.varint(value);
      else writer.varint64(BigInt(value));
    },
    read: (reader) => reader.varint(),
  };
}

/** int64 and uint64 that use all 64 bits, such as lease ids; never negative. */
export function id(number: number): Field<bigint> {
  return {
    number,
    wireType: 0,
    initial: () => 0n,
    write(writer, value) {
      if (value === 0n) return;
      writer.varint(number * 8);
      writer.varint64(value);
    },
    read: (reader) => reader.varint64(),
  };
}

export function bool(number: number): Field<boolean> {
  return {
    number,
    wireType: 0,
    initial: () => false,
    write(writer, value) {
      if (!value) return;
      writer.varint(number * 8);
      writer.varint(1);
    },
    read: (reader) => reader.varint() !== 0,
  };
}

const NO_BYTES = Buffer.alloc(0);

export function bytes(number: number): Field<Buffer, Uint8Array> {
  return {
    number,
    wireType: 2,
    initial: () => NO_BYTES,
    write(writer, value) {
      if (value.length === 0) return;
      writer.varint(number * 8 + 2);
      writer.bytes(value);
    },
    read: (reader) => reader.bytes(),
  };
}

export function text(number: number): Field<string> {
  return {
    number,
    wireType: 2,
    initial: () => '',
    write(writer, value) {
      if (value === '') return;
      writer.varint(number * 8 + 2);
      writer.text(value);
    },
    read: (reader) => reader.bytes().toString('utf8'),
  };
}

/** A nested message; undefined when absent. */
export function nested<Out, In>(number: number, type: () => MessageType<Out, In>): Field<Out | undefined, In> {
  return {
    number,
    wireType: 2,
    initial: () => undefined,
    write(writer, value) {
      writer.varint(number * 8 + 2);
      writer.nested(() => type().writeTo(writer, value));
    },
    read: (reader) => type().decode(reader.bytes(), reader.depth + 1),
  };
}

export function repeated<Out, In>(number: number, type: () => MessageType<Out, In>): Field<Out[], readonly In[]> {
  const one = nested(number, type);
  return {
    number,
    wireType: 2,
    initial: () => [],
    write(writer, values) {
      for (const value of values) one.write(writer, value);
    },
    read(reader, before) {
      before.push(type().decode(reader.bytes(), reader.depth + 1));
      return before;
    },
  };
}

/** Repeated bytes or strings; also repeated messages in encoded form. */
export function repeatedBytes(number: number): Field<Buffer[], readonly Uint8Array[]> {
  return {
    number,
    wireType: 2,
    initial: () => [],
    write(writer, values) {
      for (const value of values) {
        writer.varint(number * 8 + 2);
        writer.bytes(value);
      }
    },
    read(reader, before) {
      before.push(reader.bytes());
      return before;
    },
  };
}

/** Repeated small numbers and enums, packed or not. */
export function repeatedInt(number: number): Field<number[], readonly number[]> {
  return {
    number,
    wireType: 0,
    initial: () => [],
    write(writer, values) {
      for (const value of values) {
        writer.varint(number * 8);
        writer.varint(value);
      }
    },
    read(reader, before, wireType) {
      if (wireType !== 2) {
        before.push(reader.varint());
        return before;
      }
      const packed = new WireReader(reader.bytes());
      while (!packed.done) before.push(packed.varint());
      return before;
    },
  };
}
