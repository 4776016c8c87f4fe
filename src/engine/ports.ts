import { AppError, present } from '../base/index.ts';
import { allocate, type FeedMap, type Tensor, type TensorMap } from '../tensor/index.ts';
import type { ArenaValue, ArenaView, PixelPlace } from './memory.ts';
import type { Wiring } from './plan/plan.ts';

/** int8 values are stored as uint8, moved by this. */
const SIGN_SHIFT = 128;

/** An input or output of the network, prepared so that one sample goes in or out without a new object. */
interface Port {
  readonly name: string;
  readonly dtype: Tensor['dtype'];
  readonly shape: readonly number[];
  readonly count: number;
  readonly shift: number;
  /** Absent for an output that is a constant. */
  readonly place: ArenaValue | undefined;
  /** Of an input that may come as pixels. */
  readonly pixels: PixelPlace | undefined;
}

/** Where feeds enter an arena and outputs leave it. */
export class Ports {
  readonly #inputs: readonly Port[];
  readonly #outputs: readonly Port[];
  readonly #constants: ReadonlyMap<string, Tensor>;

  constructor({ graph, addresses }: Wiring, view: ArenaView) {
    const portOf = (name: string): Port => {
      const value = present(graph.values.get(name), `value '${name}'`);
      const place = addresses.has(name) ? view.get(name) : undefined;
      const pixels = place && view.pixels(name);
      const { shape } = value;
      const count = shape.reduce((product, size) => product * size, 1);
      if (value.kind === 'float') return { name, dtype: value.dtype, shape, count, shift: 0, place, pixels };
      const shift = value.storedAs === 'int8' ? SIGN_SHIFT : 0;
      return { name, dtype: value.storedAs, shape, count, shift, place, pixels };
    };
    this.#inputs = graph.inputs.map(portOf);
    this.#outputs = graph.outputs.map(portOf);
    this.#constants = graph.constants;
  }

  /** Whether the feeds are exactly one sample of every input, in a form that `write` takes. */
  isOneSample(feeds: FeedMap): boolean {
    for (let index = 0; index < this.#inputs.length; index++) {
      const { name, dtype, shape, pixels } = this.#inputs[index]!;
      const feed = feeds.get(name);
      if (feed?.shape.length !== shape.length) return false;
      if (feed.dtype === 'pixels' ? !pixels?.takes(feed) : feed.dtype !== dtype) return false;
      for (let axis = 0; axis < shape.length; axis++) if (feed.shape[axis] !== shape[axis]) return false;
    }
    return true;
  }

  /** Samples of feeds that were checked. */
  samplesOf(feeds: FeedMap): number {
    const [input] = this.#inputs;
    return input ? feeds.get(input.name)!.data.length / input.count : 1;
  }

  /** Writes one sample of the feeds, which were checked, into the arena. */
  write(feeds: FeedMap, sample: number): void {
    for (let index = 0; index < this.#inputs.length; index++) {
      const { name, count, shift, place, pixels } = this.#inputs[index]!;
      const feed = feeds.get(name)!;
      if (feed.dtype === 'pixels') pixels!.write(feed);
      else {
        pixels?.expectFloats();
        place?.write(feed.data, sample * count, shift);
      }
    }
  }

  /** Tensors for the outputs of so many samples. */
  allocate(samples: number): TensorMap {
    return new Map(
      this.#outputs.map(({ name, dtype, shape, count }) => {
        const [batch = 1, ...rest] = shape;
        const batched = samples === 1 ? shape : [samples * batch, ...rest];
        return [name, { dtype, shape: batched, data: allocate(dtype, samples * count) } as Tensor];
      }),
    );
  }

  /** Reads the outputs of one sample into tensors that `allocate` made. @throws AppError INFERENCE_INVALID where one does not fit */
  read(into: TensorMap, sample: number): void {
    for (let index = 0; index < this.#outputs.length; index++) {
      const { name, dtype, count, shift, place } = this.#outputs[index]!;
      const target = into.get(name);
      if (target?.dtype !== dtype || target.data.length < (sample + 1) * count)
        throw new AppError('INFERENCE_INVALID', `The tensor for output '${name}' is not one of an earlier run.`, {});
      if (place) place.read(target.data, sample * count, -shift);
      else this.#readConstant(name, target, sample * count, -shift);
    }
  }

  #readConstant(name: string, target: Tensor, start: number, shift: number): void {
    const { data } = present(this.#constants.get(name), `output '${name}'`);
    if (shift === 0) target.data.set(data as never, start);
    else data.forEach((element, index) => (target.data[start + index] = Number(element) + shift));
  }
}
