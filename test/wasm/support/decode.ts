/** A second reader of the binary format, written from the specification alone, for what the assembler writes. */

/** LEB128 by big integers: the value, and how many bytes it took. */
export function decodeLeb(
  bytes: ArrayLike<number>,
  sign: 'signed' | 'unsigned',
  at = 0,
): [value: number, length: number] {
  let value = 0n;
  let shift = 0n;
  for (let index = at; ; index++) {
    const byte = BigInt(bytes[index] ?? -1);
    if (byte < 0n) throw new Error('the number does not end');
    value |= (byte & 0x7fn) << shift;
    shift += 7n;
    if ((byte & 0x80n) !== 0n) continue;
    const number = sign === 'signed' ? BigInt.asIntN(Number(shift), value) : value;
    return [Number(number), index - at + 1];
  }
}

export interface Section {
  readonly id: number;
  readonly content: Uint8Array;
}

/** Header and sections of a module. */
export function sectionsOf(bytes: Uint8Array): Section[] {
  const header = [...bytes.subarray(0, 8)];
  if (header.join() !== '0,97,115,109,1,0,0,0') throw new Error(`header is ${header.join()}`);
  const sections: Section[] = [];
  for (let at = 8; at < bytes.length;) {
    const [size, length] = decodeLeb(bytes, 'unsigned', at + 1);
    const start = at + 1 + length;
    sections.push({ id: bytes[at]!, content: bytes.subarray(start, start + size) });
    at = start + size;
    if (at > bytes.length) throw new Error('the last section is longer than the module');
  }
  return sections;
}

/** Reads numbers, names and vectors one after the other. */
export class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#bytes[this.#at++]!;
  }

  number(): number {
    const [value, length] = decodeLeb(this.#bytes, 'unsigned', this.#at);
    this.#at += length;
    return value;
  }

  name(): string {
    const length = this.number();
    const bytes = this.#bytes.subarray(this.#at, (this.#at += length));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.number() }, read);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
}
