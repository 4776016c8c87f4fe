import { seededRandom } from '../../../src/base/index.ts';
import { writeModel, type ModelProto, type NodeProto } from '../../../src/onnx/index.ts';
import { elementCount, tensor, type Tensor } from '../../../src/tensor/index.ts';
import { importModel } from '../../../src/transform/index.ts';
import type { Graph } from '../../../src/graph/index.ts';
import { modelOf, op, type Attribute } from './build.ts';

export interface Quantization {
  readonly scale: number;
  /** As the file states it. */
  readonly zeroPoint?: number;
  readonly dtype?: 'uint8' | 'int8';
}

const integer = (dtype: 'uint8' | 'int8' | 'int32', shape: readonly number[], values: Iterable<number>): Tensor =>
  dtype === 'uint8'
    ? tensor('uint8', shape, Uint8Array.from(values))
    : dtype === 'int8'
      ? tensor('int8', shape, Int8Array.from(values))
      : tensor('int32', shape, Int32Array.from(values));

/** Writes QDQ networks by hand: each call adds nodes and returns the name of the value made. */
export class QdqBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: Record<string, Tensor> = {};
  readonly #inputs: Record<string, readonly (number | string)[]> = {};
  readonly #random = seededRandom(17);
  #count = 0;

  name(stem: string): string {
    return `${stem}${this.#count++}`;
  }

  input(name: string, shape: readonly (number | string)[]): string {
    this.#inputs[name] = shape;
    return name;
  }

  constant(value: Tensor): string {
    const name = this.name('c');
    this.#initializers[name] = value;
    return name;
  }

  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): string {
    const output = this.name(opType.toLowerCase());
    return this.nodeTo(output, opType, inputs, attributes, domain);
  }

  nodeTo(
    output: string,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): string {
    this.#nodes.push(
      op(opType, inputs.map((name) => (name === '' ? '_' : name)).join(' '), output, attributes, domain),
    );
    return output.split(' ')[0] ?? '';
  }

  /** Names of a scale and a zero point. */
  params({ scale, zeroPoint = 0, dtype = 'uint8' }: Quantization): [string, string] {
    return [
      this.constant(tensor('float32', [], Float32Array.of(scale))),
      this.constant(integer(dtype, [], [zeroPoint])),
    ];
  }

  quantize(value: string, params: Quantization): string {
    return this.node('QuantizeLinear', [value, ...this.params(params)]);
  }

  dequantize(value: string, params: Quantization): string {
    return this.node('DequantizeLinear', [value, ...this.params(params)]);
  }

  /** QuantizeLinear and DequantizeLinear. */
  qdq(value: string, params: Quantization): string {
    return this.dequantize(this.quantize(value, params), params);
  }

  bytes(dtype: 'uint8' | 'int8', shape: readonly number[]): Tensor {
    const low = dtype === 'int8' ? -127 : 0;
    return integer(
      dtype,
      shape,
      Array.from({ length: elementCount(shape) }, () => low + Math.floor(this.#random() * 255)),
    );
  }

  /** int8 weights behind DequantizeLinear, per channel along `axis`. */
  weights(shape: readonly number[], axis: number): string {
    const channels = shape[axis] ?? 1;
    const scales = Float32Array.from({ length: channels }, () => 0.002 + 0.01 * this.#random());
    const inputs = [
      this.constant(this.bytes('int8', shape)),
      this.constant(tensor('float32', [channels], scales)),
      this.constant(tensor('int8', [channels])),
    ];
    return this.node('DequantizeLinear', inputs, { axis });
  }

  reals(shape: readonly number[], scale = 1): string {
    return this.constant(
      tensor(
        'float32',
        shape,
        Float32Array.from({ length: elementCount(shape) }, () => (this.#random() - 0.5) * 2 * scale),
      ),
    );
  }

  model(outputs: readonly string[]): ModelProto {
    return modelOf({
      ...{ opset: 18, inputs: this.#inputs, outputs, nodes: this.#nodes, initializers: this.#initializers },
    });
  }

  build(outputs: readonly string[]): { graph: Graph; bytes: Uint8Array } {
    const model = this.model(outputs);
    return { graph: importModel(model), bytes: writeModel(model) };
  }
}
