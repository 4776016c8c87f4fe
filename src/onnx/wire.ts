import { AppError } from '../base/index.ts';
import { defaultReadLimits, type ReadLimits } from './limits.ts';

/** Protobuf wire types that are read; groups (3, 4) are refused. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** What a file has cost so far; shared by all readers of one file. */
export class ReadBudget {
  readonly limits: ReadLimits;
  readonly #spent = { items: 0, nodes: 0, initializers: 0, numbers: 0, decoded: 0 };

  constructor(limits: Partial<ReadLimits> = {}) {
    this.limits = { ...defaultReadLimits, ...limits };
  }

  item(): void {
    if (++this.#spent.items > this.limits.itemCount) throw tooComplex('messages and strings', this.limits.itemCount);
  }

  node(): void {
    if (++this.#spent.nodes > this.limits.nodeCount) throw tooComplex('nodes', this.limits.nodeCount);
  }

  initializer(): void {
    if (++this.#spent.initializers > this.limits.initializerCount)
      throw tooComplex('initializers', this.limits.initializerCount);
  }

  number(): void {
    if (++this.#spent.numbers > this.limits.numberCount)
      throw tooComplex('numbers in attributes and dims', this.limits.numberCount);
  }

  decoded(bytes: number): void {
    this.#spent.decoded += bytes;
    if (this.#spent.decoded > this.limits.decodedBytes)
      throw tooComplex('bytes of decoded tensor data', this.limits.decodedBytes);
  }
}

export function tooComplex(what: string, limit: number): AppError {
  return new AppError('MODEL_TOO_COMPLEX', `The model has more ${what} than the ${limit} that are allowed.`, {
    what,
    limit,
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one protobuf message in place: every length is checked against the message that encloses it, nothing is copied.
 * Use: `while (reader.next()) switch (reader.field) …`, and call exactly one value method, or `skip`, per field.
 */
export class WireReader {
  readonly budget: ReadBudget;
  /** Field number and wire type of the current field. */
  field = 0;
  type = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #message: string;
  #offset = 0;

  constructor(bytes: Uint8Array, budget: ReadBudget, message: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.budget = budget;
    this.#message = message;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.remaining === 0) return false;
    const tag = Number(this.varint());
    this.field = Math.floor(tag / 8);
    this.type = tag % 8;
    if (this.field === 0 || this.field > 2 ** 29 - 1) throw this.malformed(`field number ${this.field}`);
    if (this.type === 3 || this.type === 4) throw this.malformed(`a group (wire type ${this.type})`);
    if (this.type > 5) throw this.malformed(`wire type ${this.type}`);
    return true;
  }

  /** An unsigned 64-bit varint of at most ten bytes. */
  varint(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      if (shift === 63n && byte > 1) throw this.malformed('a varint above 64 bits');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw this.malformed('a varint of more than ten bytes');
  }

  int64(): bigint {
    this.#expect(wireType.varint);
    return BigInt.asIntN(64, this.varint());
  }

  /** An int64 as a number: exact to 2⁵³, beyond it the nearest double, so that INT64_MAX stays "to the end". */
  number(): number {
    return Number(this.int64());
  }

  float(): number {
    this.#expect(wireType.fixed32);
    return this.#view.getFloat32(this.#take(4), true);
  }

  double(): number {
    this.#expect(wireType.fixed64);
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** A view of a length-delimited field. */
  bytes(): Uint8Array {
    this.#expect(wireType.bytes);
    const length = Number(this.varint());
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  string(limit = this.budget.limits.stringBytes): string {
    this.budget.item();
    const bytes = this.bytes();
    if (bytes.length > limit) throw tooComplex(`bytes in one string of ${this.#message}`, limit);
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.malformed('a string that is not UTF-8');
    }
  }

  message(name: string): WireReader {
    this.budget.item();
    return new WireReader(this.bytes(), this.budget, name);
  }

  /** Appends the numbers of a repeated int64 field, packed or not. */
  pushInt64s(target: number[]): void {
    if (this.type !== wireType.bytes) {
      this.budget.number();
      target.push(this.number());
      return;
    }
    const packed = new WireReader(this.bytes(), this.budget, this.#message);
    while (packed.remaining > 0) {
      this.budget.number();
      target.push(Number(BigInt.asIntN(64, packed.varint())));
    }
  }

  /** Appends the numbers of a repeated float field, packed or not. */
  pushFloats(target: number[]): void {
    if (this.type !== wireType.bytes) {
      this.budget.number();
      target.push(this.float());
      return;
    }
    const packed = this.bytes();
    if (packed.length % 4 !== 0) throw this.malformed('packed floats of a broken length');
    const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
    for (let offset = 0; offset < packed.length; offset += 4) {
      this.budget.number();
      target.push(view.getFloat32(offset, true));
    }
  }

  skip(): void {
    if (this.type === wireType.varint) this.varint();
    else if (this.type === wireType.fixed64) this.#take(8);
    else if (this.type === wireType.fixed32) this.#take(4);
    else this.bytes();
  }

  malformed(what: string): AppError {
    return new AppError('MODEL_MALFORMED', `The file is not a valid ONNX model: ${this.#message} has ${what}.`, {
      message: this.#message,
      offset: this.#offset,
    });
  }

  #expect(type: number): void {
    if (this.type !== type) throw this.malformed(`field ${this.field} with wire type ${this.type}, expected ${type}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw this.malformed('an end in the middle of a varint');
    this.#offset++;
    return byte;
  }

  #take(length: number): number {
    if (length > this.remaining)
      throw this.malformed(`field ${this.field} of ${length} bytes where ${this.remaining} are left`);
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
