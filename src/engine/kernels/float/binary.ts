import type { Tensor } from '../../../tensor/index.ts';
import { elementCount } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { Layout } from '../../plan/layout.ts';
import { physicalOffsets } from '../../plan/layout.ts';
import { stepFunction, type Placement, type PlanContext, type StepParameters } from '../../plan/step.ts';
import { bytesOf } from '../requantize.ts';
import { gridOf, spreadOf, type Grid, type Spread } from './grid.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitStoreFloats, LANES } from './vectors.ts';

/** Two f32x4 on the stack become one. */
const operators: Readonly<Record<string, (f: FunctionBuilder, a: Local, b: Local) => void>> = {
  Add: (f, a, b) => f.get(a).get(b).op('f32x4.add'),
  Sub: (f, a, b) => f.get(a).get(b).op('f32x4.sub'),
  Mul: (f, a, b) => f.get(a).get(b).op('f32x4.mul'),
  Div: (f, a, b) => f.get(a).get(b).op('f32x4.div'),
  // pmax(a, b) is a < b ? b : a: of two equal ones the reference takes b; NaN in a is chosen at last
  Max: (f, a, b) => f.get(b).get(a).op('f32x4.pmax').get(a).get(a).get(a).op('f32x4.eq').op('v128.bitselect'),
  Min: (f, a, b) => f.get(b).get(a).op('f32x4.pmin').get(a).get(a).get(a).op('f32x4.eq').op('v128.bitselect'),
  /** a < 0 ? a · b : a */
  PRelu: (f, a, b) => {
    const zero = f.local('v');
    f.get(a).get(b).op('f32x4.mul').get(a).get(a).get(zero).op('f32x4.lt').op('v128.bitselect');
  },
};

interface Operand {
  readonly spread: Spread;
  /** Name of a value, or the elements of a constant in the order of memory. */
  readonly source: string | Float32Array;
}

/** a ∘ b with NumPy broadcasting, each operand whole, one row, one column or one element. */
export const planBinary: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const value = context.graph.values.get(output);
  const layout = context.layouts.get(output);
  if (node.domain !== '' || !Object.hasOwn(operators, node.opType) || !layout || !value) return undefined;
  if (!isFloat32(context, output) || node.inputs.length !== 2) return undefined;
  const operands = node.inputs.map((name) => operandOf(name, { shape: value.shape, layout }, context));
  const [a, b] = operands;
  if (!a || !b) return undefined;
  const flat = [a, b].every(({ spread }) => spread === 'each' || spread === 'single');
  const count = elementCount(value.shape);
  // a flat grid ends with a whole vector: behind the end of a value there is room
  const grid = flat ? { rows: Math.ceil(count / 16), columns: 16 } : gridOf(layout, value.shape);
  const constants = [a, b].flatMap(({ source }) => (typeof source === 'string' ? [] : [bytesOf(source)]));
  return {
    runs: 'wasm',
    operation,
    kernel: `float.${node.opType.toLowerCase()}`,
    macs: 0,
    constants,
    scratchBytes: 0,
    units: grid.rows,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) =>
        emitBinary(f, { opType: node.opType, operands: [a, b], output, grid }, place, parameters),
      ),
  };
};

function operandOf(
  name: string,
  result: { readonly shape: readonly number[]; readonly layout: Layout },
  context: PlanContext,
): Operand | undefined {
  const constant = context.graph.constants.get(name);
  if (!constant) {
    const [value, layout] = [context.graph.values.get(name), context.layouts.get(name)];
    if (!value || !layout || !isFloat32(context, name)) return undefined;
    const spread = spreadOf({ shape: value.shape, layout }, result);
    return spread && { spread, source: name };
  }
  if (constant.dtype !== 'float32') return undefined;
  // a constant of the result's shape lies as the result does, any other in its own order
  const whole =
    elementCount(constant.shape) === elementCount(result.shape) && constant.shape.length === result.shape.length;
  const plain: Layout = { kind: 'plain', byteLength: constant.data.byteLength };
  const layout = whole ? result.layout : plain;
  const spread = spreadOf({ shape: constant.shape, layout }, result);
  return spread && { spread, source: arranged(constant, layout) };
}

/** Elements in the order of a layout, with room to read a whole vector at the end. */
function arranged(constant: Tensor & { dtype: 'float32' }, layout: Layout): Float32Array {
  const elements = new Float32Array(constant.data.length + 16);
  const places = physicalOffsets(layout, constant.data.length);
  constant.data.forEach((element, index) => (elements[places[index]!] = element));
  return elements;
}

interface Binary {
  readonly opType: string;
  readonly operands: readonly [Operand, Operand];
  readonly output: string;
  readonly grid: Grid;
}

/**
 * for each row: for each vector of columns: load or keep both operands, compute, store
 *
 *   each      a vector from the row          byRow    one element a row, in every lane
 *   byColumn  a vector from the one row      single   one element, in every lane
 */
function emitBinary(f: FunctionBuilder, binary: Binary, place: Placement, parameters: StepParameters): void {
  const { opType, operands, output, grid } = binary;
  const { arena, begin, end } = parameters;
  const [row, column, target] = f.locals('i', 3) as [Local, Local, Local];
  const rowBytes = grid.columns * 4;
  const constantAt = (index: number): number =>
    place.constants[operands.slice(0, index).filter(({ source }) => typeof source !== 'string').length] ?? 0;
  const readers = operands.map(({ spread, source }, index) => {
    const [start, at] = f.locals('i', 2) as [Local, Local];
    const vector = f.local('v');
    if (typeof source === 'string') f.get(arena).i32(place.address(source)).op('i32.add').set(start);
    else f.i32(constantAt(index)).set(start);
    if (spread === 'single') f.get(start).op('v128.load32_splat').set(vector);
    return { spread, start, at, vector };
  });
  const result = f.local('v');
  const compute = (count: number): void => {
    for (const { spread, at, vector } of readers)
      if (spread === 'each' || spread === 'byColumn') f.get(at).op('v128.load').set(vector);
    operators[opType]!(f, readers[0]!.vector, readers[1]!.vector);
    f.set(result);
    emitStoreFloats(f, result, { at: target, offset: 0, count });
  };
  const advance = (bytes: number): void => {
    for (const { spread, at } of readers)
      if (spread === 'each' || spread === 'byColumn') f.get(at).i32(bytes).op('i32.add').set(at);
    f.get(target).i32(bytes).op('i32.add').set(target);
  };
  const whole = Math.floor(grid.columns / LANES);
  const rest = grid.columns % LANES;
  f.get(begin).i32(rowBytes).op('i32.mul').get(arena).op('i32.add').i32(place.address(output)).op('i32.add');
  f.set(target);
  f.repeat(row, { start: begin, end, step: 1 }, () => {
    for (const { spread, start, at, vector } of readers) {
      if (spread === 'each') f.get(row).i32(rowBytes).op('i32.mul').get(start).op('i32.add').set(at);
      if (spread === 'byColumn') f.get(start).set(at);
      if (spread === 'byRow')
        f.get(row).i32(4).op('i32.mul').get(start).op('i32.add').op('v128.load32_splat').set(vector);
    }
    if (whole > 0)
      f.repeat(column, { start: 0, end: whole, step: 1 }, () => {
        compute(LANES);
        advance(LANES * 4);
      });
    if (rest === 0) return;
    compute(rest);
    f.get(target)
      .i32(rest * 4)
      .op('i32.add')
      .set(target);
  });
}
