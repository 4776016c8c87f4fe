import { gaussian, seededRandom, type Random } from '../../../src/base/index.ts';
import { tensor, type TensorOf } from '../../../src/tensor/index.ts';

/** A value under construction: NCHW without the batch, and the second moment its elements are expected to have. */
export interface Value {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** E[x²], which He-like weights and the statistics of the next BatchNormalization are scaled by. */
  readonly moment: number;
}

export interface BuiltNode {
  readonly name: string;
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Integers unless listed in `floatAttributes`. */
  readonly attributes: Readonly<Record<string, number | readonly number[] | string>>;
}

/** Attributes that ONNX stores as floats. */
export const floatAttributes: ReadonlySet<string> = new Set(['alpha', 'beta', 'epsilon']);

export interface BuiltNetwork {
  readonly name: string;
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly output: { readonly name: string; readonly shape: readonly number[] };
  readonly nodes: readonly BuiltNode[];
  readonly constants: ReadonlyMap<string, TensorOf<'float32'>>;
  /** Multiply-accumulates of convolutions and fully connected layers for one sample. */
  readonly macs: number;
  /** Learned parameters: weights, biases, gammas and betas, without running statistics. */
  readonly parameters: number;
}

export interface ConvOptions {
  readonly channels: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly pad?: number;
  readonly group?: number;
  readonly bias?: boolean;
}

export type Activation = 'Relu' | 'Relu6' | 'HardSwish' | 'Silu' | 'HardSigmoid' | 'Sigmoid';

/** About E[f(x)²] for x ~ N(0, 1) and heavier tails; proportional to E[x²] but for the gates, which stay near their value at 0. */
const momentAfter: Readonly<Record<Activation, { readonly moment: number; readonly gate: boolean }>> = {
  Relu: { moment: 0.5, gate: false },
  Relu6: { moment: 0.5, gate: false },
  HardSwish: { moment: 0.36, gate: false },
  Silu: { moment: 0.42, gate: false },
  HardSigmoid: { moment: 0.28, gate: true },
  Sigmoid: { moment: 0.34, gate: true },
};

/** E[max²] over E[x²] for a 3x3 window of rectified, neighbouring and so correlated values. */
const maxPoolGrowth = 4;

/** Builds one network with seeded random weights; each method adds a node and returns its output. */
export class NetworkBuilder {
  private readonly nodes: BuiltNode[] = [];
  private readonly constants = new Map<string, TensorOf<'float32'>>();
  private readonly random: Random;
  private readonly counts = new Map<string, number>();
  private macs = 0;
  private parameters = 0;
  private input: BuiltNetwork['input'] | undefined;
  private readonly name: string;

  constructor(name: string, seed: number) {
    this.name = name;
    this.random = seededRandom(seed);
  }

  image(size: number): Value {
    this.input = { name: 'image', shape: [3, size, size] };
    return { name: 'image', channels: 3, height: size, width: size, moment: 1 };
  }

  /** Weights ~ N(0, 2 / fan-in), so that E[y²] = 2 · E[x²]. */
  conv(x: Value, options: ConvOptions): Value {
    const { channels, kernel, stride = 1, pad = (kernel - 1) >> 1, group = 1, bias = false } = options;
    const name = this.next('conv');
    const fanIn = (x.channels / group) * kernel * kernel;
    const inputs = [x.name, this.normal(`${name}.weight`, [channels, x.channels / group, kernel, kernel], 2 / fanIn)];
    if (bias) inputs.push(this.normal(`${name}.bias`, [channels], 0.01));
    const height = Math.floor((x.height + 2 * pad - kernel) / stride) + 1;
    const width = Math.floor((x.width + 2 * pad - kernel) / stride) + 1;
    this.macs += height * width * channels * fanIn;
    const output = this.add(name, 'Conv', inputs, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      dilations: [1, 1],
      group,
    });
    return { name: output, channels, height, width, moment: 2 * x.moment };
  }

  /** Statistics near those that the input has, so that the output is near N(0, 1). */
  batchNormalization(x: Value): Value {
    const name = this.next('bn');
    const spread = Math.sqrt(x.moment);
    const inputs = [
      x.name,
      this.constant(`${name}.weight`, [x.channels], () => 0.8 + 0.4 * this.random()),
      this.constant(`${name}.bias`, [x.channels], () => 0.2 * gaussian(this.random)),
      this.constant(`${name}.mean`, [x.channels], () => 0.1 * spread * gaussian(this.random)),
      this.constant(`${name}.variance`, [x.channels], () => x.moment * (0.8 + 0.4 * this.random())),
    ];
    this.parameters -= 2 * x.channels;
    return { ...x, name: this.add(name, 'BatchNormalization', inputs, { epsilon: 1e-5 }), moment: 1.05 };
  }

  activation(x: Value, kind: Activation): Value {
    const { moment, gate } = momentAfter[kind];
    return { ...x, name: this.activationNodes(x, kind), moment: gate ? moment : moment * x.moment };
  }

  convBn(x: Value, options: ConvOptions, activation?: Activation): Value {
    const normalized = this.batchNormalization(this.conv(x, options));
    return activation ? this.activation(normalized, activation) : normalized;
  }

  sum(a: Value, b: Value): Value {
    return { ...a, name: this.add(this.next('add'), 'Add', [a.name, b.name], {}), moment: a.moment + b.moment };
  }

  /** a · b, b broadcast over height and width. */
  scaleBy(a: Value, b: Value): Value {
    return { ...a, name: this.add(this.next('mul'), 'Mul', [a.name, b.name], {}), moment: a.moment * b.moment };
  }

  concat(a: Value, b: Value): Value {
    const output = this.add(this.next('concat'), 'Concat', [a.name, b.name], { axis: 1 });
    return { ...a, name: output, channels: a.channels + b.channels, moment: (a.moment + b.moment) / 2 };
  }

  maxPool(x: Value, options: { kernel: number; stride: number; pad?: number; ceil?: boolean }): Value {
    const { kernel, stride, pad = 0, ceil = false } = options;
    const extent = (size: number): number => {
      const steps = (size + 2 * pad - kernel) / stride;
      return (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    };
    const output = this.add(this.next('maxPool'), 'MaxPool', [x.name], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      ceil_mode: ceil ? 1 : 0,
    });
    return { ...x, name: output, height: extent(x.height), width: extent(x.width), moment: maxPoolGrowth * x.moment };
  }

  globalAveragePool(x: Value): Value {
    return { ...x, name: this.add(this.next('pool'), 'GlobalAveragePool', [x.name], {}), height: 1, width: 1 };
  }

  flatten(x: Value): Value {
    return { ...x, name: this.add(this.next('flatten'), 'Flatten', [x.name], { axis: 1 }) };
  }

  fullyConnected(x: Value, channels: number): Value {
    const name = this.next('fc');
    const weight = this.normal(`${name}.weight`, [channels, x.channels], 1 / x.channels);
    const bias = this.normal(`${name}.bias`, [channels], 0.01);
    this.macs += x.channels * channels;
    return { ...x, name: this.add(name, 'Gemm', [x.name, weight, bias], { transB: 1 }), channels };
  }

  finish(x: Value): BuiltNetwork {
    if (!this.input) throw new Error(`${this.name} has no input`);
    const last = this.nodes.at(-1);
    if (last?.output !== x.name) throw new Error(`${this.name}: the output must be the last node`);
    this.nodes[this.nodes.length - 1] = { ...last, output: 'logits' };
    return {
      name: this.name,
      input: this.input,
      output: { name: 'logits', shape: [x.channels] },
      nodes: this.nodes,
      constants: this.constants,
      macs: this.macs,
      parameters: this.parameters,
    };
  }

  private activationNodes(x: Value, kind: Activation): string {
    switch (kind) {
      case 'Relu6':
        return this.add(this.next('relu6'), 'Clip', [x.name, this.bound('zero', 0), this.bound('six', 6)], {});
      case 'Silu': {
        const gate = this.add(this.next('sigmoid'), 'Sigmoid', [x.name], {});
        return this.add(this.next('silu'), 'Mul', [x.name, gate], {});
      }
      case 'HardSigmoid':
        return this.add(this.next('hardSigmoid'), 'HardSigmoid', [x.name], { alpha: 1 / 6, beta: 0.5 });
      default:
        return this.add(this.next(kind.toLowerCase()), kind, [x.name], {});
    }
  }

  private bound(name: string, value: number): string {
    this.constants.set(name, tensor('float32', [], Float32Array.of(value)));
    return name;
  }

  private normal(name: string, shape: readonly number[], variance: number): string {
    const deviation = Math.sqrt(variance);
    return this.constant(name, shape, () => deviation * gaussian(this.random));
  }

  private constant(name: string, shape: readonly number[], draw: () => number): string {
    const value = tensor('float32', shape);
    for (let index = 0; index < value.data.length; index++) value.data[index] = draw();
    this.constants.set(name, value);
    this.parameters += value.data.length;
    return name;
  }

  private add(name: string, opType: string, inputs: readonly string[], attributes: BuiltNode['attributes']): string {
    this.nodes.push({ name, opType, inputs, output: `${name}.out`, attributes });
    return `${name}.out`;
  }

  private next(kind: string): string {
    const count = this.counts.get(kind) ?? 0;
    this.counts.set(kind, count + 1);
    return `${kind}${count}`;
  }
}
