import { invariant, present } from '../base/index.ts';
import type { FloatValue, QuantizedValue } from '../graph/index.ts';
import { allocate, bytesPerElement, elementCount, tensor, type Tensor } from '../tensor/index.ts';
import type { Wiring } from './plan/plan.ts';
import { physicalOffsets, type Layout } from './plan/layout.ts';

/** Reads and writes values of one arena, between ONNX's order and the layout in memory. */
export class ArenaView {
  readonly #plan: Wiring;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #offsets = new Map<string, Int32Array>();

  constructor(plan: Wiring, memory: WebAssembly.Memory, start: number) {
    this.#plan = plan;
    this.#start = start;
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** A value as a tensor of its own; quantized ones as uint8. */
  read(name: string): Tensor {
    const { value, layout, address } = this.#locate(name);
    const count = elementCount(value.shape);
    if (value.kind === 'quantized') {
      const bytes = new Uint8Array(count);
      if (layout.kind === 'plain') bytes.set(this.#bytes.subarray(address, address + count));
      else {
        const offsets = this.#offsetsOf(name, layout, count);
        for (let index = 0; index < count; index++) bytes[index] = this.#bytes[address + offsets[index]!]!;
      }
      return tensor('uint8', value.shape, bytes);
    }
    const elements = allocate(value.dtype, count);
    const target = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
    target.set(this.#bytes.subarray(address, address + target.length));
    return { dtype: value.dtype, shape: value.shape, data: elements } as Tensor;
  }

  /** Writes a whole value; quantized ones from uint8. `data` may be a view of something larger. */
  write(name: string, data: Tensor['data']): void {
    const { value, layout, address } = this.#locate(name);
    const count = elementCount(value.shape);
    invariant(data.length === count, `'${name}' has ${count} elements, got ${data.length}`);
    if (value.kind === 'float' || layout.kind === 'plain') {
      const size = value.kind === 'float' ? bytesPerElement[value.dtype] : 1;
      this.#bytes.set(new Uint8Array(data.buffer, data.byteOffset, count * size), address);
      return;
    }
    const offsets = this.#offsetsOf(name, layout, count);
    for (let index = 0; index < count; index++) this.#bytes[address + offsets[index]!] = Number(data[index]!);
  }

  #locate(name: string): { value: QuantizedValue | FloatValue; layout: Layout; address: number } {
    return {
      value: present(this.#plan.graph.values.get(name), `value '${name}'`),
      layout: present(this.#plan.layouts.get(name), `layout of '${name}'`),
      address: this.#start + present(this.#plan.addresses.get(name), `address of '${name}'`),
    };
  }

  #offsetsOf(name: string, layout: Layout, count: number): Int32Array {
    const known = this.#offsets.get(name);
    if (known) return known;
    const made = physicalOffsets(layout, count);
    this.#offsets.set(name, made);
    return made;
  }
}
