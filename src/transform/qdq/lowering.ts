import { present } from '../../base/index.ts';
import type {
  FloatValue,
  Graph,
  IntegerConstant,
  Node,
  Operation,
  QuantizedValue,
  TableOperation,
} from '../../graph/index.ts';
import { elementCount, tensor, type Shape, type Tensor } from '../../tensor/index.ts';
import { requantizedTable } from '../quantizedTable.ts';
import {
  activationParams,
  fileParamsOf,
  isDequantize,
  isQuantize,
  sameParams,
  toBytes,
  type FileParams,
  type Params,
} from './parameters.ts';

/** Where a value comes from. */
export interface Origin {
  readonly node: Node;
  readonly outputIndex: number;
}

/** A float value that is exactly a quantized one: `emit` makes sure that the bytes exist and names them. */
export interface QuantizedForm {
  readonly params: Params;
  readonly shape: Shape;
  /** The integer value of the file that it reads; absent for constants. */
  readonly source: string | undefined;
  /** The bytes, where they are constant. */
  readonly bytes?: Uint8Array;
  emit(): string;
}

/** What one QuantizeLinear asks for: bytes named `output` with these parameters. */
export interface Target {
  readonly output: string;
  readonly params: Params;
}

/** A recognized pattern: the integer values that it reads, and how it is written down. */
export interface Match {
  readonly uses: readonly QuantizedForm[];
  emit(): void;
}

/** Shape of one sample. */
export function sampleShape(shape: Shape): Shape {
  return shape.map((dim, axis) => (axis === 0 && dim < 0 ? 1 : dim));
}

/** The graph being read, its indices, and the quantized graph being written. */
export class Lowering {
  readonly graph: Graph;
  readonly operations: Operation[] = [];
  readonly values = new Map<string, QuantizedValue | FloatValue>();
  readonly constants = new Map<string, Tensor>();
  readonly integers = new Map<string, IntegerConstant>();
  readonly #origins = new Map<string, Origin>();
  readonly #consumers = new Map<string, Node[]>();
  readonly #fileParams = new Map<Node, FileParams | undefined>();
  readonly #integerParams = new Map<string, Params | undefined>();
  readonly #aliases = new Map<string, string>();
  readonly #emitted = new Map<string, string>();

  constructor(graph: Graph) {
    this.graph = graph;
    for (const node of graph.nodes) {
      node.outputs.forEach((output, outputIndex) => {
        if (output !== '') this.#origins.set(output, { node, outputIndex });
      });
      for (const input of new Set(node.inputs)) {
        if (input === '') continue;
        const known = this.#consumers.get(input);
        if (known) known.push(node);
        else this.#consumers.set(input, [node]);
      }
    }
  }

  origin(value: string): Origin | undefined {
    return this.#origins.get(value);
  }

  consumers(value: string): readonly Node[] {
    return this.#consumers.get(value) ?? [];
  }

  shapeOf(value: string): Shape {
    return sampleShape(present(this.graph.types.get(value), `type of '${value}'`).shape);
  }

  dtypeOf(value: string): string | undefined {
    return this.graph.types.get(value)?.dtype;
  }

  constant(value: string): Tensor | undefined {
    return value === '' ? undefined : this.graph.constants.get(value);
  }

  fileParams(node: Node): FileParams | undefined {
    if (!this.#fileParams.has(node)) this.#fileParams.set(node, fileParamsOf(this.graph, node));
    return this.#fileParams.get(node);
  }

  /**
   * Parameters of an integer value that is read by nothing but per-tensor DequantizeLinear, as its QuantizeLinear
   * states them, or its first reader where it is a graph input. Undefined: it stays what the file says, in float.
   */
  integerParams(value: string): Params | undefined {
    if (!this.#integerParams.has(value)) this.#integerParams.set(value, this.#readIntegerParams(value));
    return this.#integerParams.get(value);
  }

  #readIntegerParams(value: string): Params | undefined {
    const dtype = this.dtypeOf(value);
    const consumers = this.consumers(value);
    const readable = consumers.every(
      (node) =>
        isDequantize(node) && node.inputs[0] === value && activationParams(this.fileParams(node), dtype) !== undefined,
    );
    if (!readable) return undefined;
    const maker = this.origin(value)?.node;
    const stated = maker === undefined && this.graph.inputs.includes(value) ? consumers[0] : maker;
    if (!stated || (maker && !isQuantize(maker))) return undefined;
    return activationParams(this.fileParams(stated), dtype);
  }

  /** The bytes behind a float value, where a per-tensor DequantizeLinear made it. */
  dequantized(value: string): QuantizedForm | undefined {
    const node = this.origin(value)?.node;
    if (!isDequantize(node)) return undefined;
    const source = present(node.inputs[0], 'input of DequantizeLinear');
    const params = activationParams(this.fileParams(node), this.dtypeOf(source));
    if (!params) return undefined;
    const constant = this.constant(source);
    const shape = this.shapeOf(value);
    if (constant) {
      const bytes = toBytes(constant);
      return { params, shape, source: undefined, bytes, emit: () => this.emitConstant(source, shape, bytes, params) };
    }
    const made = this.integerParams(source);
    if (!made) return undefined;
    return { params, shape, source, emit: () => this.#reread(source, made, params) };
  }

  /** Bytes that a reader takes for other numbers than their maker meant: the same bytes under a new name. */
  #reread(source: string, made: Params, read: Params): string {
    const name = this.resolve(source);
    if (sameParams(made, read)) return name;
    return this.once(`${source}|as|${read.scale}|${read.zeroPoint}`, () => {
      const output = this.fresh(`${source}/reread`);
      this.addQuantized(output, this.shapeOf(source), read);
      const table = Uint8Array.from({ length: 256 }, (_, q) => q);
      this.operations.push({ kind: 'table', name: output, opType: 'Reread', input: name, output, table });
      return output;
    });
  }

  /** Writes constant bytes down as a quantized value. */
  emitConstant(name: string, shape: Shape, bytes: Uint8Array, params: Params): string {
    return this.once(`${name}|constant|${params.scale}|${params.zeroPoint}`, () => {
      const output = this.values.has(name) ? this.fresh(name) : name;
      this.addQuantized(output, shape, params);
      this.constants.set(output, tensor('uint8', shape, new Uint8Array(bytes)));
      return output;
    });
  }

  addQuantized(name: string, shape: Shape, { scale, zeroPoint, storedAs }: Params): void {
    this.values.set(name, { kind: 'quantized', shape, scale, zeroPoint, storedAs });
  }

  addFloat(name: string): void {
    const type = this.graph.types.get(name);
    if (type) this.values.set(name, { kind: 'float', dtype: type.dtype, shape: sampleShape(type.shape) });
  }

  /** Later readers of `value` read `target`. */
  alias(value: string, target: string): void {
    this.values.delete(value);
    this.#aliases.set(value, target);
  }

  /** Writes a table down, or nothing where it would copy its input. */
  emitTable(operation: Omit<TableOperation, 'kind' | 'output'>, from: Params, { output, params }: Target): void {
    const copies = sameParams(from, params) && operation.table.every((y, q) => y === q);
    if (copies && !this.graph.outputs.includes(output)) this.alias(output, this.resolve(operation.input));
    else this.operations.push({ kind: 'table', ...operation, output });
  }

  resolve(value: string): string {
    return this.#aliases.get(value) ?? value;
  }

  /** The name that `make` returned the first time this key was asked for. */
  once(key: string, make: () => string): string {
    const known = this.#emitted.get(key);
    if (known !== undefined) return known;
    const name = make();
    this.#emitted.set(key, name);
    return name;
  }

  /** A value name that nothing has yet. */
  fresh(wish: string): string {
    let name = wish;
    for (let n = 2; this.values.has(name) || this.constants.has(name) || this.graph.types.has(name); n++)
      name = `${wish}:${n}`;
    return name;
  }

  /** Makes `target` out of bytes that have other parameters, by a table; `produce` writes the operation that makes them. */
  emitVia(target: Target, from: Params, shape: Shape, produce: (output: string) => void): void {
    if (sameParams(from, target.params)) {
      produce(target.output);
      return;
    }
    const between = this.fresh(`${target.output}/before`);
    this.addQuantized(between, shape, from);
    produce(between);
    this.emitRequantize(between, from, target);
  }

  emitRequantize(input: string, from: Params, { output, params }: Target): void {
    const table = requantizedTable(from, params);
    this.operations.push({ kind: 'table', name: output, opType: 'Requantize', input, output, table });
  }

  /** The bytes of `form` with other parameters. */
  emitWith(form: QuantizedForm, params: Params): string {
    if (sameParams(form.params, params)) return form.emit();
    const input = form.emit();
    return this.once(`${input}|to|${params.scale}|${params.zeroPoint}`, () => {
      const table = requantizedTable(form.params, params);
      if (form.bytes) {
        const bytes = form.bytes.map((q) => table[q] ?? 0);
        return this.emitConstant(`${input}/requantized`, form.shape, bytes, params);
      }
      const output = this.fresh(`${input}/requantized`);
      this.addQuantized(output, form.shape, params);
      this.operations.push({ kind: 'table', name: output, opType: 'Requantize', input, output, table });
      return output;
    });
  }

  isScalar(value: string): boolean {
    const constant = this.constant(value);
    return constant !== undefined && elementCount(constant.shape) === 1;
  }
}
