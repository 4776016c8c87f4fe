import { gaussian, seededRandom, type Random } from '../../../src/base/index.ts';
import type { NodeProto } from '../../../src/onnx/index.ts';
import { elementCount, tensor, type Tensor } from '../../../src/tensor/index.ts';
import { ints, op, type Attribute } from '../../transform/support/build.ts';

/** A value of a draft: an image [N, channels, height, width], whose batch alone may be free. */
export interface Image {
  readonly name: string;
  readonly shape: readonly [channels: number, height: number, width: number];
}

/** A float network in the making. Layers take images of it and add others; each draws its numbers from its own generator. */
export class Draft {
  readonly nodes: NodeProto[] = [];
  readonly initializers: Record<string, Tensor> = {};
  readonly images: Image[] = [];
  random: Random = seededRandom(0);

  readonly batch: 'free' | 1;

  constructor(batch: 'free' | 1) {
    this.batch = batch;
  }

  /** An integer in [min, max]. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  one<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!;
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  /** The newest image more often than any other. */
  image(): Image {
    return this.chance(0.7) ? this.images.at(-1)! : this.one(this.images);
  }

  /** Another image of the same shape, if there is one. */
  like({ name, shape }: Image): Image | undefined {
    const alike = this.images.filter((other) => other.name !== name && String(other.shape) === String(shape));
    return alike.length > 0 ? this.one(alike) : undefined;
  }

  fresh(kind: string): string {
    return `${kind}${this.nodes.length}_${Object.keys(this.initializers).length}`;
  }

  constant(value: Tensor): string {
    const name = this.fresh('constant');
    this.initializers[name] = value;
    return name;
  }

  integers(...values: readonly number[]): string {
    return this.constant(ints(...values));
  }

  scalar(value: number): string {
    return this.constant(tensor('float32', [], Float32Array.of(value)));
  }

  /** Normal deviates times `scale`, of any magnitude a trained layer has; one in ten is shared with a layer before. */
  weights(shape: readonly number[], scale: number): string {
    const shared = Object.entries(this.initializers).filter(
      ([, { dtype, shape: other }]) => dtype === 'float32' && String(other) === String(shape),
    );
    if (shared.length > 0 && this.chance(0.1)) return this.one(shared)[0];
    const offset = this.chance(0.2) ? gaussian(this.random) : 0;
    const data = Float32Array.from({ length: elementCount(shape) }, () => scale * (gaussian(this.random) + offset));
    if (this.chance(0.1)) data.fill(0, 0, Math.ceil(data.length / (shape[0] ?? 1)));
    return this.constant(tensor('float32', shape, data));
  }

  /** Positive numbers, for variances. */
  positive(shape: readonly number[]): string {
    const data = Float32Array.from({ length: elementCount(shape) }, () => 0.05 + 2 * this.random());
    return this.constant(tensor('float32', shape, data));
  }

  /** Adds a node; returns the name of its first result. */
  emit(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = this.fresh(opType.toLowerCase());
    this.nodes.push(op(opType, inputs.map((name) => name || '_').join(' '), output, attributes));
    return output;
  }

  /** Adds a node whose result is an image. */
  layer(
    opType: string,
    inputs: readonly string[],
    shape: Image['shape'],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Image {
    return this.keep(this.emit(opType, inputs, attributes), shape);
  }

  keep(name: string, shape: Image['shape']): Image {
    const image = { name, shape };
    this.images.push(image);
    return image;
  }
}
