import { InvariantError, present } from '../base/index.ts';
import type { FloatValue, QuantizedValue } from '../graph/index.ts';
import { allocate, elementCount, type PixelFeed, type Tensor } from '../tensor/index.ts';
import type { Wiring } from './plan/plan.ts';
import { physicalOffsets } from './plan/layout.ts';
import { FORM, LEVELS, type PixelInput } from './plan/pixelInput.ts';

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
      const element = data[start + index] as number;
      // −0 + 0 is 0
      elements[byte] = shift === 0 ? element : element + shift;
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
      const element = elements[byte] as number;
      data[start + index] = shift === 0 ? element : element + shift;
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

/** An input image in an arena that may come as pixels: what tells the two apart, and where pixels and levels go. */
export class PixelPlace {
  readonly #form: Int32Array;
  readonly #pixels: Uint8Array;
  readonly #levels: Float32Array;

  constructor(input: PixelInput, { buffer }: WebAssembly.Memory, address: number) {
    this.#form = new Int32Array(buffer, address + input.form, 1);
    this.#pixels = new Uint8Array(buffer, address, input.pixels * input.channels);
    this.#levels = new Float32Array(buffer, address + input.levels, input.channels * LEVELS);
  }

  /** Whether the kernel reads the feed as it is; its shape was checked. */
  takes({ layout, levels }: PixelFeed): boolean {
    return layout === 'NCHW' && levels !== undefined;
  }

  write({ data, levels }: PixelFeed): void {
    this.#form[0] = FORM.pixels;
    this.#pixels.set(data);
    if (levels) this.#levels.set(levels);
  }

  expectFloats(): void {
    this.#form[0] = FORM.floats;
  }
}

/** The values of one arena, found by name. */
export class ArenaView {
  readonly #values = new Map<string, ArenaValue>();
  readonly #plan: Wiring;
  readonly #memory: WebAssembly.Memory;
  readonly #arena: number;

  constructor(plan: Wiring, memory: WebAssembly.Memory, arena: number) {
    this.#plan = plan;
    this.#memory = memory;
    this.#arena = arena;
  }

  get(name: string): ArenaValue {
    const known = this.#values.get(name);
    if (known) return known;
    const made = new ArenaValue(this.#plan, this.#memory, this.#arena, name);
    this.#values.set(name, made);
    return made;
  }

  /** Undefined for a value that cannot come as pixels. */
  pixels(name: string): PixelPlace | undefined {
    const layout = this.#plan.layouts.get(name);
    if (layout?.kind !== 'plain' || !layout.pixels) return undefined;
    const address = this.#arena + present(this.#plan.addresses.get(name), `address of '${name}'`);
    return new PixelPlace(layout.pixels, this.#memory, address);
  }
}
