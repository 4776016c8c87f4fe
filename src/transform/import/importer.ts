import { AppError, present } from '../../base/index.ts';
import type { Node, ValueType } from '../../graph/index.ts';
import { bytesPerElement, elementCount, formatShape, tensor, type Shape, type Tensor } from '../../tensor/index.ts';
import { runNode } from '../../reference/index.ts';
import {
  checkArity,
  checkOperandTypes,
  invalid,
  shapeRule,
  unsupported,
  type FixedType,
  type Known,
} from '../shapes/index.ts';
import { stepsOf } from '../macs.ts';
import { canonicalize } from './canonical/index.ts';
import type { ImportLimits } from './settings.ts';
import { constantOf, constantValue, mergeTensors, sharedShape, type Value } from './value.ts';

/** A node that cannot be imported, and why. */
export interface NodeProblem {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly reason: string;
}

export interface ImporterOptions {
  readonly opset: number;
  /** Batches followed at once; one where the batch is fixed. */
  readonly probes: readonly number[];
  /** First dimension that a fixed-batch file gives its inputs; undefined where the file leaves it open. */
  readonly fileBatch: number | undefined;
  readonly limits: ImportLimits;
  /** Names that are taken. */
  readonly names: Iterable<string>;
}

/** Elements up to which a tensor that depends on the batch is followed: shape arithmetic is far smaller. */
const batchTensorElements = 2 ** 20;

/** Operators that are not folded: the quantized structure of weights is kept. */
const kept: ReadonlySet<string> = new Set(['DequantizeLinear']);

/** Walks a graph in topological order and writes its canonical form. */
export class Importer {
  readonly opset: number;
  readonly probes: readonly number[];
  readonly fileBatch: number | undefined;
  readonly nodes: Node[] = [];
  /** Constants that nodes may refer to, made ones too. */
  readonly constants = new Map<string, Tensor>();
  readonly types = new Map<string, ValueType>();
  readonly problems: NodeProblem[] = [];
  readonly #values = new Map<string, Value>();
  /** Values that are another value under a second name. */
  readonly #aliases = new Map<string, string>();
  readonly #names: Set<string>;
  readonly #limits: ImportLimits;
  #foldedBytes = 0;
  #foldedSteps = 0;

  constructor(options: ImporterOptions) {
    this.opset = options.opset;
    this.probes = options.probes;
    this.fileBatch = options.fileBatch;
    this.#limits = options.limits;
    this.#names = new Set(options.names);
  }

  get batchIsFree(): boolean {
    return this.probes.length > 1;
  }

  /** @throws AppError MODEL_TOO_COMPLEX for an input beyond the limits of a value */
  addInput(name: string, type: FixedType, carriesBatch: boolean): void {
    const shapes = this.probes.map((batch) => (carriesBatch ? [batch, ...type.shape.slice(1)] : type.shape));
    this.#checkSizes(`Input '${name}' is`, shapes);
    this.#values.set(name, { dtype: type.dtype, shapes, tensors: undefined });
    this.types.set(name, { dtype: type.dtype, shape: present(sharedShape(shapes, this.probes), name) });
  }

  addConstant(name: string, value: Tensor): void {
    this.constants.set(name, value);
    this.types.set(name, { dtype: value.dtype, shape: value.shape });
    this.#values.set(name, constantValue(value, this.probes));
  }

  /** A constant made for `node`; returns its name. */
  makeConstant(node: Node, hint: string, value: Tensor): string {
    const name = this.uniqueName(`${node.name}.${hint}`);
    this.addConstant(name, value);
    return name;
  }

  /** A constant list of int64 made for `node`; returns its name. */
  makeIntegers(node: Node, hint: string, values: readonly number[]): string {
    const fraction = values.find((value) => !Number.isInteger(value) && Math.abs(value) !== Infinity);
    if (fraction !== undefined) throw invalid(node, `${hint} hold ${fraction}; they must be integers`);
    return this.makeConstant(node, hint, tensor('int64', [values.length], BigInt64Array.from(values, toInt64)));
  }

  uniqueName(base: string): string {
    let name = base;
    for (let count = 2; this.#names.has(name); count++) name = `${base}#${count}`;
    this.#names.add(name);
    return name;
  }

  /** The name under which a value is known, through removed Identity nodes. */
  resolve(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  value(name: string): Value | undefined {
    return this.#values.get(this.resolve(name));
  }

  /** The input's elements, where they are constant. */
  constant(node: Node, index: number): Tensor | undefined {
    return constantOf(this.value(node.inputs[index] ?? ''));
  }

  /** What is known of a node's inputs at one probe. */
  known(node: Node, probe: number): (Known | undefined)[] {
    return node.inputs.map((name) => {
      const value = this.value(name);
      if (name === '' || !value) return undefined;
      return { dtype: value.dtype, shape: value.shapes[probe] ?? [], constant: value.tensors?.[probe] };
    });
  }

  /** Imports one node of the file; what stands in its way is noted, not thrown. */
  import(source: Node): void {
    const node = { ...source, inputs: source.inputs.map((name) => this.resolve(name)) };
    const blocked = node.inputs.some((name) => name !== '' && !this.value(name));
    try {
      if (blocked) canonicalize.check(node);
      else for (const canonical of canonicalize.run(node, this)) this.#place(canonical);
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'UNSUPPORTED_OPERATOR')) throw error;
      const { name, opType, domain } = source;
      this.problems.push({
        name,
        opType,
        domain,
        reason: typeof error.params.reason === 'string' ? error.params.reason : error.message,
      });
    }
  }

  /** Values that the batch and constants determine, for Shape and Size nodes. */
  define(node: Node, tensors: readonly Tensor[]): void {
    const merged = mergeTensors(tensors);
    const [first] = merged;
    const name = node.outputs[0] ?? '';
    const constant = constantOf({ dtype: 'int64', shapes: [], tensors: merged });
    if (constant) this.addConstant(name, constant);
    else
      this.#values.set(name, {
        dtype: first?.dtype ?? 'int64',
        shapes: merged.map(({ shape }) => shape),
        tensors: merged,
      });
  }

  #place(node: Node): void {
    if (node.opType === 'Constant') {
      this.addConstant(node.outputs[0] ?? '', canonicalize.constant(node));
      return;
    }
    if (node.opType === 'Identity') {
      this.#aliases.set(node.outputs[0] ?? '', this.resolve(node.inputs[0] ?? ''));
      return;
    }
    const rule = shapeRule(node.opType, node.domain);
    if (!rule) throw unsupported(node, 'the operator is not supported');
    checkArity(node);
    checkOperandTypes(node, this.known(node, 0));
    const types = this.probes.map((_, probe) => rule(node, this.known(node, probe)));
    const shapes = types.flat().map(({ shape }) => shape);
    this.#checkSizes(`Node '${node.name}' (${node.opType}) makes`, shapes, node.name);
    if (!this.#fold(node, types)) this.#emit(node, types);
  }

  /** Values of a free batch are measured for its largest probe; of a fixed one, with all their samples. */
  #checkSizes(what: string, shapes: readonly Shape[], nodeName?: string): void {
    const { rank, valueElements } = this.#limits;
    const largest = (this.batchIsFree ? Math.max(...this.probes) : 1) * valueElements;
    const refuse = (form: string, limit: number): never => {
      const params = { ...(nodeName === undefined ? {} : { nodeName }), limit };
      throw new AppError('MODEL_TOO_COMPLEX', `${what} ${form}; allowed are ${limit}.`, params);
    };
    for (const shape of shapes) {
      if (shape.length > rank) refuse(`a value of ${shape.length} dimensions`, rank);
      if (!(elementCount(shape) <= largest)) refuse(`a value of shape ${formatShape(shape)} (elements)`, valueElements);
    }
  }

  /** Computes a node whose inputs are all known; false where it has to stay. */
  #fold(node: Node, types: readonly (readonly FixedType[])[]): boolean {
    if (kept.has(node.opType) || node.domain !== '') return false;
    const inputs = node.inputs.map((name) => (name === '' ? undefined : this.value(name)));
    if (inputs.some((value) => value && !value.tensors)) return false;
    const constant = inputs.every((value) => !value || constantOf(value) !== undefined);
    const runs = constant ? 1 : this.probes.length;
    if (!constant && types.flat().some(({ shape }) => elementCount(shape) > batchTensorElements)) return false;
    this.#spend(node, types.slice(0, runs).flat());
    const results = Array.from({ length: runs }, (_, probe) =>
      runNode(
        node,
        inputs.map((value) => value?.tensors?.[probe]),
      ),
    );
    node.outputs.forEach((name, index) => {
      if (name === '') return;
      const tensors = results.map((result) => present(result[index], `output ${index} of ${node.opType}`));
      this.define({ ...node, outputs: [name] }, constant ? this.probes.map(() => present(tensors[0], name)) : tensors);
    });
    return true;
  }

  #spend(node: Node, types: readonly FixedType[]): void {
    this.#foldedBytes += types.reduce((sum, { dtype, shape }) => sum + elementCount(shape) * bytesPerElement[dtype], 0);
    if (this.#foldedBytes > this.#limits.foldedBytes)
      throw tooComplex(node, `brings computed constants to ${this.#foldedBytes} bytes`, this.#limits.foldedBytes);
    const shapes = new Map(node.inputs.map((name) => [name, this.value(name)?.shapes[0] ?? []]));
    node.outputs.forEach((name, index) => shapes.set(name, types[index]?.shape ?? []));
    this.#foldedSteps += stepsOf(node, (name) => shapes.get(name) ?? []);
    if (this.#foldedSteps > this.#limits.foldedSteps)
      throw tooComplex(
        node,
        `brings the computing of constants to ${this.#foldedSteps} steps`,
        this.#limits.foldedSteps,
      );
  }

  #emit(node: Node, types: readonly (readonly FixedType[])[]): void {
    const inputs = node.inputs.map((name) => (name === '' ? '' : this.resolve(name)));
    let batched = false;
    for (const name of inputs) {
      const type = this.types.get(name);
      if (name !== '' && !type) throw unsupported(node, `its input '${name}' depends on the size of the batch`);
      batched ||= this.batchIsFree && type?.shape[0] === -1;
    }
    const outputs = node.outputs.map((name, index) => {
      if (name === '') return '';
      const shapes = types.map((type) => type[index]?.shape ?? []);
      const dtype = types[0]?.[index]?.dtype;
      if (!dtype) throw unsupported(node, `output ${index} ('${name}') cannot be used`);
      const shape = sharedShape(shapes, this.probes);
      if (!shape || (batched && shape[0] !== -1))
        throw invalid(
          node,
          `it mixes the samples of a batch: its output would be ${shapes.map(formatShape).join(', ')} for batches ${this.probes.join(', ')}`,
        );
      this.#values.set(name, { dtype, shapes, tensors: undefined });
      this.types.set(name, { dtype, shape });
      return name;
    });
    this.nodes.push({ ...node, inputs, outputs });
  }
}

function tooComplex(node: Node, what: string, limit: number): AppError {
  return new AppError('MODEL_TOO_COMPLEX', `Node '${node.name}' (${node.opType}) ${what}; allowed are ${limit}.`, {
    nodeName: node.name,
    limit,
  });
}

/** int64 that clamps: exporters write "to the end" as values near 2⁶³. */
function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  return value <= -(2 ** 63) ? -(2n ** 63n) : BigInt(value);
}
