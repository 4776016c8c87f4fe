import { broadcastIndices, matMulShapes } from '../../../reference/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type Placement, type PlanContext, type StepParameters } from '../../plan/step.ts';
import { bytesOf } from '../requantize.ts';
import { activationOf } from './activation.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitProduct } from './product/emit.ts';
import type { Product } from './product/product.ts';

/** Rows of a unit: enough of them pass each panel of the right matrix. */
const ROWS = 64;

/** An operand in memory: the name of a value, or the index of a constant. */
type Source = string | number;

interface Matrices {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  /** Bytes from the start of each operand to its matrix, for every product: left, right, left, … */
  readonly offsets: Int32Array;
  /** Units of one product. */
  readonly blocks: number;
}

/** Products of matrices that both lie in memory row by row, with broadcast leading dimensions: y[…, m, n] = Σ over k, from 0, in order. */
export const planMatMul: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const [left = '', right = ''] = node.inputs;
  if (node.domain !== '' || node.opType !== 'MatMul' || !isPlain(output, context)) return undefined;
  const operands = [left, right].map((name) => operandOf(name, context));
  const [a, b] = operands;
  if (!a || !b) return undefined;
  const { aShape, bShape, batch } = matMulShapes(node, a.shape, b.shape);
  const [rows = 1, depth = 1] = aShape.slice(-2);
  const [, columns = 1] = bShape.slice(-2);
  const lefts = broadcastIndices(aShape.slice(0, -2), batch);
  const rights = broadcastIndices(bShape.slice(0, -2), batch);
  if (lefts.length * rows * depth * columns === 0) return undefined;
  const offsets = new Int32Array(lefts.length * 2);
  lefts.forEach((at, index) => (offsets[2 * index] = at * rows * depth * 4));
  rights.forEach((at, index) => (offsets[2 * index + 1] = at * depth * columns * 4));
  const matrices = { rows, depth, columns, offsets, blocks: Math.ceil(rows / ROWS) };
  const constants = operands.flatMap((operand) => operand?.constant ?? []);
  const sources: [Source, Source] = [a.constant ? 1 : left, b.constant ? constants.length : right];
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.matmul.values',
    macs: lefts.length * rows * depth * columns,
    constants: [bytesOf(offsets), ...constants],
    scratchBytes: 0,
    units: lefts.length * matrices.blocks,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) =>
        emitMatMul(f, matrices, { sources, output, place, activation: activationOf(operation, context) }, parameters),
      ),
  };
};

const isPlain = (name: string, context: PlanContext): boolean =>
  isFloat32(context, name) && context.layouts.get(name)?.kind === 'plain';

function operandOf(name: string, context: PlanContext) {
  const constant = context.graph.constants.get(name);
  if (constant)
    return constant.dtype === 'float32' ? { shape: constant.shape, constant: bytesOf(constant.data) } : undefined;
  const value = context.graph.values.get(name);
  return value && isPlain(name, context) ? { shape: value.shape, constant: undefined } : undefined;
}

interface Operands {
  readonly sources: readonly [Source, Source];
  readonly output: string;
  readonly place: Placement;
  readonly activation: ReturnType<typeof activationOf>;
}

/**
 * for each unit:
 *   product = unit / blocks; block = unit % blocks
 *   y[product][rows of the block] = a[offsets[product]] · b[offsets[product]], the right matrix's rows read as they lie
 */
function emitMatMul(
  f: FunctionBuilder,
  { rows, depth, columns, blocks }: Matrices,
  { sources, output, place, activation }: Operands,
  { arena, begin, end }: StepParameters,
): void {
  const [unit, index, block, next] = f.locals('i', 4) as [Local, Local, Local, Local];
  const [left, right, target] = f.locals('i', 3) as [Local, Local, Local];
  const pixels = Math.min(ROWS, rows);
  const product: Product = {
    units: { count: blocks, pixels, total: rows, step: pixels * depth * 4 },
    ...{ pixelStep: depth * 4, weightStep: columns * 4, runs: [{ offset: 0, length: depth }] },
    ...{ groups: { count: 1, step: 0 }, columns, bias: 'none' },
  };
  const start = (source: Source, entry: number, to: Local): void => {
    if (typeof source === 'number') f.i32(place.constants[source] ?? 0);
    else f.get(arena).i32(place.address(source)).op('i32.add');
    f.get(index)
      .i32(8)
      .op('i32.mul')
      .op('i32.load', { offset: (place.constants[0] ?? 0) + entry * 4 });
    f.op('i32.add').set(to);
  };
  f.repeat(unit, { start: begin, end, step: 1 }, () => {
    f.get(unit).i32(blocks).op('i32.div_u').set(index);
    f.get(unit).get(index).i32(blocks).op('i32.mul').op('i32.sub').tee(block).i32(1).op('i32.add').set(next);
    start(sources[0], 0, left);
    start(sources[1], 1, right);
    f.get(index)
      .i32(rows * columns * 4)
      .op('i32.mul')
      .get(arena)
      .op('i32.add');
    f.i32(place.address(output)).op('i32.add').set(target);
    emitProduct(f, product, {
      ...{ input: left, output: target, weights: { stored: 'float', address: right }, bias: 0 },
      ...{ begin: block, end: next, outermost: 'panels', activation },
    });
  });
}
