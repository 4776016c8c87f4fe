import type { Random } from '../../../src/base/index.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfo } from '../../../src/onnx/index.ts';
import { elementCount, tensor, type Tensor } from '../../../src/tensor/index.ts';
import { integerOf } from '../problem.ts';

const integers = [-(2 ** 31), -100, -3, -2, -1, 0, 1, 2, 3, 5, 7, 100, 65_537, 2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 52];
const reals = [NaN, Infinity, -Infinity, 0, -0, -1, 1e-45, 1e38, -1e38, 0.5, 3];
const strings = ['', 'nearest', 'linear', 'cubic', 'SAME_UPPER', 'constant', '__proto__', 'VALID'];
const names = ['', 'x0', '__proto__', 'constructor', 'toString', 'a'.repeat(3_000), 'ü/\u0000#'];
const attributeNames = ['pads', 'axis', 'group', 'strides', 'mode', 'axes', '__proto__'];
const domains = ['', 'ai.onnx', 'com.microsoft', 'nowhere', '__proto__'];
const opsets = [0, 1, 6, 7, 9, 10, 11, 12, 13, 18, 19, 21, 25, 999];
const dtypes = ['float32', 'int64', 'int32', 'uint8', 'int8', 'bool', 'float16', 'float64'] as const;
const opTypes = [
  ...['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'BatchNormalization', 'InstanceNormalization', 'LRN'],
  ...['Relu', 'Clip', 'PRelu', 'Softmax', 'Add', 'Mul', 'Pow', 'Where', 'ArgMax', 'TopK', 'If'],
  ...['Concat', 'Split', 'Slice', 'Pad', 'Resize', 'Upsample', 'Reshape', 'Transpose', 'Flatten'],
  ...['Squeeze', 'Unsqueeze', 'Gather', 'Expand', 'Tile', 'Cast', 'Shape', 'ConstantOfShape', 'Range'],
  ...['MaxPool', 'AveragePool', 'GlobalAveragePool', 'ReduceMean', 'ReduceSum', 'DepthToSpace', 'SpaceToDepth'],
  ...['QuantizeLinear', 'DequantizeLinear', 'QLinearConv', 'QLinearMatMul', 'Constant', 'Identity', 'Dropout'],
];

/** Changes a model in one place: what is left is protobuf as it should be, but seldom a network. */
export function mutate(model: ModelProto, random: Random): ModelProto {
  return new Mutation(model, random).model();
}

class Mutation {
  readonly #model: ModelProto;
  readonly #random: Random;

  constructor(model: ModelProto, random: Random) {
    this.#model = model;
    this.#random = random;
  }

  model(): ModelProto {
    if (this.#random() < 0.05) return { ...this.#model, opsetImports: [{ domain: '', version: this.#one(opsets) }] };
    const { graph } = this.#model;
    return { ...this.#model, graph: { ...graph, ...this.#graph(graph) } };
  }

  #graph({ nodes, initializers, inputs, outputs }: GraphProto): Partial<GraphProto> {
    const number = (): Tensor => tensor('float32', []);
    const kind = integerOf(this.#random, 0, 18);
    if (kind <= 9) return { nodes: this.#replaced(nodes, (node) => this.#node(node)) };
    if (kind <= 13)
      return {
        initializers: this.#replaced(initializers, (old) => ({ ...old, tensor: this.#tensor(old.tensor) })),
      };
    if (kind === 14) return { nodes: this.#changed(nodes, () => this.#one(nodes)) };
    if (kind === 15) return { nodes: nodes.toReversed() };
    if (kind === 16)
      return { initializers: this.#changed(initializers, () => ({ name: this.#name(), tensor: number() })) };
    if (kind === 17) return { outputs: this.#replaced(outputs, (old) => ({ ...old, name: this.#name() })) };
    return { inputs: this.#replaced(inputs, (input) => this.#input(input)) };
  }

  #node(old: NodeProto): NodeProto {
    const kind = integerOf(this.#random, 0, 9);
    if (kind <= 2) return { ...old, attributes: this.#replaced(old.attributes, (each) => this.#attribute(each)) };
    if (kind === 3) return { ...old, attributes: old.attributes.filter(() => this.#random() < 0.5) };
    if (kind <= 5) return { ...old, inputs: this.#changed(old.inputs, () => this.#name()) };
    if (kind === 6) return { ...old, outputs: this.#changed(old.outputs, () => this.#name()) };
    if (kind === 7) return { ...old, domain: this.#one(domains) };
    if (kind === 8) return { ...old, name: this.#one(names) };
    return { ...old, opType: this.#one(opTypes) };
  }

  #attribute(old: AttributeProto): AttributeProto {
    if (this.#random() < 0.1) return { ...old, name: this.#one(attributeNames) };
    switch (old.kind) {
      case 'int':
        if (this.#random() < 0.1) return { ...old, kind: 'float', value: this.#one(reals) };
        return { ...old, value: this.#one(integers) };
      case 'float':
        return { ...old, value: this.#one(reals) };
      case 'ints':
        return { ...old, value: this.#changed(old.value, () => this.#one(integers)) };
      case 'floats':
        return { ...old, value: this.#changed(old.value, () => this.#one(reals)) };
      case 'string':
        return { ...old, value: this.#one(strings) };
      default:
        return { name: old.name, kind: 'int', value: this.#one(integers) };
    }
  }

  #input({ name, type }: ValueInfo): ValueInfo {
    if (type.kind !== 'tensor' || this.#random() < 0.1) return { name: this.#name(), type };
    if (this.#random() < 0.2) return { name, type: { ...type, elementType: integerOf(this.#random, 0, 20) } };
    const sizes = [...integers.filter((size) => size >= 0), 'N', 'M', '', undefined];
    return { name, type: { ...type, shape: this.#changed(type.shape ?? [], () => this.#one(sizes)) } };
  }

  /** The same elements in another shape, zeros of another type, no elements, or another one among them. */
  #tensor(old: Tensor): Tensor {
    const count = elementCount(old.shape);
    switch (integerOf(this.#random, 0, 5)) {
      case 0:
        return { ...old, shape: [count] };
      case 1:
        return { ...old, shape: [...old.shape, 1] };
      case 2:
        return { ...old, shape: old.shape.toReversed() };
      case 3:
        return tensor(this.#one(dtypes), old.shape) as Tensor;
      case 4:
        return tensor(old.dtype, [0]) as Tensor;
      default: {
        const data = old.data.slice();
        const at = integerOf(this.#random, 0, Math.max(0, count - 1));
        if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[at] = BigInt(this.#one(integers));
        else data[at] = this.#one(this.#random() < 0.5 ? reals : integers);
        return { ...old, data } as Tensor;
      }
    }
  }

  #one<T>(choices: readonly T[]): T {
    return choices[integerOf(this.#random, 0, choices.length - 1)]!;
  }

  /** A strange name, or that of a value. */
  #name(): string {
    return this.#one([...names, ...this.#model.graph.nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs])]);
  }

  #replaced<T>(list: readonly T[], change: (element: T) => T): T[] {
    const at = integerOf(this.#random, 0, list.length - 1);
    return list.map((element, index) => (index === at ? change(element) : element));
  }

  /** One element less, more, or another in its place. */
  #changed<T>(list: readonly T[], make: () => T): T[] {
    const at = integerOf(this.#random, 0, list.length);
    const kind = this.#random();
    if (kind < 0.25) return list.filter((_, index) => index !== at);
    if (kind < 0.4) return [...list.slice(0, at), make(), ...list.slice(at)];
    return this.#replaced(list, make);
  }
}
