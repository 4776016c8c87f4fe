import { invariant } from '../base/index.ts';
import { FunctionBuilder } from './functionBuilder.ts';
import { unsignedLeb } from './leb128.ts';
import { valueTypes, type ValueType } from './opcodes.ts';

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const SECTION = { custom: 0, type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const KIND = { function: 0, memory: 2 } as const;

/** A function of the module, as calls and exports name it. */
export interface FunctionReference {
  readonly index: number;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** A module with one imported shared memory, defined functions and exports. */
export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #functions: FunctionBuilder[] = [];
  readonly #exports: { readonly name: string; readonly index: number }[] = [];
  readonly #memory: { readonly initial: number; readonly maximum: number };

  /** @param memory pages of 64 KiB of the shared memory imported as `env.memory` */
  constructor(memory: { readonly initial: number; readonly maximum: number }) {
    this.#memory = memory;
  }

  function(
    params: readonly ValueType[],
    results: readonly ValueType[],
    emit: (f: FunctionBuilder) => void,
  ): FunctionReference {
    const f = new FunctionBuilder(params, results);
    emit(f);
    this.#functions.push(f);
    return { index: this.#functions.length - 1, params, results };
  }

  export(name: string, { index }: FunctionReference): void {
    invariant(!this.#exports.some((other) => other.name === name), `'${name}' is exported twice`);
    this.#exports.push({ name, index });
  }

  /** Source: WebAssembly Core 2.0, 5.5 Modules; shared memories from the threads proposal. */
  bytes(): Uint8Array<ArrayBuffer> {
    const typeIndices = this.#functions.map((f) => this.#typeIndex(f));
    const shared = 0x03;
    const imported = [
      ...name('env'),
      ...name('memory'),
      KIND.memory,
      shared,
      ...unsignedLeb(this.#memory.initial),
      ...unsignedLeb(this.#memory.maximum),
    ];
    const exported = this.#exports.map((entry) => [...name(entry.name), KIND.function, ...unsignedLeb(entry.index)]);
    return concatenate([
      MAGIC,
      section(SECTION.type, this.#types.map(typeBytes)),
      section(SECTION.import, [imported]),
      section(
        SECTION.function,
        typeIndices.map((index) => unsignedLeb(index)),
      ),
      section(SECTION.export, exported),
      section(
        SECTION.code,
        this.#functions.map((f) => sized(f.body())),
      ),
    ]);
  }

  #typeIndex({ params, results }: FunctionBuilder): number {
    const signature = `${params.join('')}>${results.join('')}`;
    const known = this.#types.indexOf(signature);
    return known >= 0 ? known : this.#types.push(signature) - 1;
  }
}

function typeBytes(signature: string): number[] {
  const vector = (letters: string): number[] => [
    ...unsignedLeb(letters.length),
    ...Array.from(letters, (letter) => valueTypes[letter as ValueType]),
  ];
  const [params = '', results = ''] = signature.split('>');
  return [0x60, ...vector(params), ...vector(results)];
}

/** A section of that name without content, to stand behind the last of a module; engines ignore it. */
export function customSection(title: string): Uint8Array {
  return Uint8Array.from([SECTION.custom, ...sized(name(title))]);
}

/** Length in bytes of the UTF-8 form, then the bytes. */
function name(text: string): number[] {
  return sized([...new TextEncoder().encode(text)]);
}

function sized(bytes: number[]): number[] {
  const all = unsignedLeb(bytes.length);
  for (const byte of bytes) all.push(byte);
  return all;
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  const content = unsignedLeb(entries.length);
  for (const entry of entries) for (const byte of entry) content.push(byte);
  return entries.length === 0 ? [] : [id, ...sized(content)];
}

function concatenate(parts: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
