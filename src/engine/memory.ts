import { InvariantError, present } from '../base/index.ts';
import type { FloatValue, QuantizedValue } from '../graph/index.ts';
import { allocate, elementCount, type Tensor } from '../tensor/index.ts';
import type { Wiring } from './plan/plan.ts';
import { physicalOffsets } from './plan/layout.ts';

type Elements = Tensor['data'];

/** One value in an arena, between ONNX's order of elements and the layout in memory; quantized ones as uint8. */
export class ArenaValue {
  readonly value: QuantizedValue | FloatValue;
  readonly count: number;
  readonly #elements: Elements;
  /** Place of each element; absent where they lie in order. */
  readonly #offsets: Int32Array | undefined;

  constructor(plan: Wiring, memory: WebAssembly.Memory, arena: number, name: string) {
    const value = present(plan.graph.values.get(name), `value '${name}'`);
    const layout = present(plan.layouts.get(name), `layout of '${name}'`);
    const address = arena + present(plan.addresses.get(name), `address of '${name}'`);
    this.value = value;
    this.count = elementCount(value.shape);
    this.#offsets = layout.kind === 'plain' ? undefined : physicalOffsets(layout, this.count);
    if (value.kind === 'quantized') this.#elements = new Uint8Array(memory.buffer, address, layout.byteLength);
    else {
      const View = allocate(value.dtype, 0).constructor as new (...args: unknown[]) => Elements;
      this.#elements = new View(memory.buffer, address, this.count);
    }
  }

  /**
   * Writes the whole value from the elements of `data` that begin with `start`. Makes no object where those are all of them.
   *
   * @param shift added to each element of a quantized value
   */
  write(data: Elements, start = 0, shift = 0): void {
    if (data.length < start + this.count)
      throw new InvariantError(`${data.length} elements are fewer than the value has`);
    const elements = this.#elements;
    if (this.#offsets === undefined && shift === 0) {
      elements.set((data.length === this.count ? data : data.subarray(start, start + this.count)) as never);
      return;
    }
    for (let index = 0; index < this.count; index++) {
      const byte = this.#offsets === undefined ? index : this.#offsets[index]!;
      elements[byte] = (data[start + index] as number) + shift;
    }
  }

  /** Reads the whole value into the elements of `data` that begin with `start`; as `write`, the other way. */
  read(data: Elements, start = 0, shift = 0): void {
    const elements = this.#elements;
    if (this.#offsets === undefined && shift === 0) {
      data.set((elements.length === this.count ? elements : elements.subarray(0, this.count)) as never, start);
      return;
    }
    for (let index = 0; index < this.count; index++) {
      const byte = this.#offsets === undefined ? index : this.#offsets[index]!;
      data[start + index] = (elements[byte] as number) + shift;
    }
  }

  /** The value as a tensor of its own. */
  tensor(): Tensor {
    const { value } = this;
    const dtype = value.kind === 'quantized' ? 'uint8' : value.dtype;
    const data = allocate(dtype, this.count);
    this.read(data);
    return { dtype, shape: value.shape, data } as Tensor;
  }
}

/** The values of one arena, found by name. */
export class ArenaView {
  readonly #values = new Map<string, ArenaValue>();
  readonly #make: (name: string) => ArenaValue;

  constructor(plan: Wiring, memory: WebAssembly.Memory, arena: number) {
    this.#make = (name) => new ArenaValue(plan, memory, arena, name);
  }

  get(name: string): ArenaValue {
    const known = this.#values.get(name);
    if (known) return known;
    const made = this.#make(name);
    this.#values.set(name, made);
    return made;
  }
}
