import { wireType } from './wire.ts';

const utf8 = new TextEncoder();

/** Builds one protobuf message as a list of chunks; bytes handed in are kept by reference until `finish` copies once. */
export class WireWriter {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  /** Encoded size so far. */
  get length(): number {
    return this.#length;
  }

  int64(field: number, value: number | bigint): this {
    this.#tag(field, wireType.varint);
    return this.#append(varint(clampInt64(value)));
  }

  float(field: number, value: number): this {
    this.#tag(field, wireType.fixed32);
    return this.#append(new Uint8Array(Float32Array.of(value).buffer));
  }

  string(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value));
  }

  /** Left out where empty, as proto3 does. */
  optionalString(field: number, value: string): this {
    return value === '' ? this : this.string(field, value);
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, wireType.bytes);
    this.#append(varint(BigInt(value.length)));
    return this.#append(value);
  }

  message(field: number, message: WireWriter): this {
    this.#tag(field, wireType.bytes);
    this.#append(varint(BigInt(message.#length)));
    for (const chunk of message.#chunks) this.#append(chunk);
    return this;
  }

  int64s(field: number, values: readonly number[]): this {
    for (const value of values) this.int64(field, value);
    return this;
  }

  floats(field: number, values: readonly number[]): this {
    for (const value of values) this.float(field, value);
    return this;
  }

  finish(): Uint8Array {
    const bytes = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    return bytes;
  }

  #tag(field: number, type: number): void {
    this.#append(varint(BigInt(field * 8 + type)));
  }

  #append(chunk: Uint8Array): this {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    return this;
  }
}

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** A number beyond int64 (INT64_MAX read as a double is 2⁶³) goes to the nearest end. */
function clampInt64(value: number | bigint): bigint {
  const exact = BigInt(value);
  return exact > INT64_MAX ? INT64_MAX : exact < INT64_MIN ? INT64_MIN : exact;
}

function varint(value: bigint): Uint8Array {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
