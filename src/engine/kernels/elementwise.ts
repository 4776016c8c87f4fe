import { shapesEqual } from '../../tensor/index.ts';
import type { BinaryOperation, QuantizedValue } from '../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../wasm/index.ts';
import { roundUp, type Layout } from '../plan/layout.ts';
import { stepFunction, type KernelPlanner, type Placement, type StepParameters } from '../plan/step.ts';
import { emitRequantizer, emitRows, roundingWithin, rowsScratchBytes, type Rounding } from './requantize.ts';

/**
 * Bytes of the second operand against the first: all of them, or one pixel's channels for every pixel ([1, C, 1, 1]
 * against an image).
 */
type Pattern = 'same' | 'perPixel';

/**
 * add, sub, mul of two values of one layout, 16 bytes at a time: widen to float32, compute as the reference states,
 * round, narrow. Padding channels are computed too, and mean nothing.
 */
export const planBinary: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'add' && operation.kind !== 'sub' && operation.kind !== 'mul') return undefined;
  const [first, second] = operation.inputs;
  const values = [first, second, operation.output].map((name) => context.graph.values.get(name));
  const layouts = [first, second, operation.output].map((name) => context.layouts.get(name));
  const [a, b, y] = values;
  const [layoutA, layoutB, layoutY] = layouts;
  if (a?.kind !== 'quantized' || b?.kind !== 'quantized' || y?.kind !== 'quantized') return undefined;
  if (!layoutA || !layoutB || !layoutY) return undefined;
  const straight = order(a, b, y, layoutB);
  const swapped = straight ? undefined : order(b, a, y, layoutA);
  const pattern = straight ?? swapped;
  const bytes = layoutY.kind === 'nhwc' ? layoutY.channelStride : roundUp(layoutY.byteLength, 16);
  if (!pattern || (layoutY.kind === 'nhwc' && bytes % 16 !== 0)) return undefined;
  const length = layoutY.kind === 'nhwc' ? layoutY.byteLength : bytes;
  const binary: Binary = {
    operation,
    pattern,
    large: straight ? { name: first, value: a } : { name: second, value: b },
    small: straight ? { name: second, value: b } : { name: first, value: a },
    output: y,
    length,
    period: pattern === 'same' ? length : bytes,
    // sub is not symmetric: the sign goes with the second operand of the file
    signs: operation.kind !== 'sub' ? [1, 1] : straight ? [1, -1] : [-1, 1],
  };
  return {
    runs: 'wasm',
    operation,
    kernel: `${operation.kind}.${pattern}`,
    macs: 0,
    constants: [],
    scratchBytes: rowsScratchBytes(2),
    units: length / unitBytesOf(binary),
    emit: (module, place) => stepFunction(module, (f, parameters) => emitBinary(f, binary, place, parameters)),
  };
};

function order(large: QuantizedValue, small: QuantizedValue, y: QuantizedValue, layout: Layout): Pattern | undefined {
  if (!shapesEqual(large.shape, y.shape)) return undefined;
  if (shapesEqual(small.shape, y.shape)) return 'same';
  const pixel = layout.kind === 'nhwc' && layout.height * layout.width === 1;
  const image = y.shape.length === 4 && y.shape[0] === 1;
  return pixel && image && small.shape.length === 4 && small.shape[1] === y.shape[1] ? 'perPixel' : undefined;
}

interface Operand {
  readonly name: string;
  readonly value: QuantizedValue;
}

interface Binary {
  readonly operation: BinaryOperation;
  readonly pattern: Pattern;
  readonly large: Operand;
  readonly small: Operand;
  readonly output: QuantizedValue;
  /** Bytes of the output. */
  readonly length: number;
  /** Bytes after which the small operand starts again. */
  readonly period: number;
  readonly signs: readonly [number, number];
}

/** Vectors of results at a time. */
const rowsOf = ({ period }: Binary): number => (period % 32 === 0 ? 2 : 1);

/** One pixel, or as many vectors as are computed at a time. */
const unitBytesOf = (binary: Binary): number => (binary.pattern === 'same' ? rowsOf(binary) * 16 : binary.period);

function emitBinary(f: FunctionBuilder, binary: Binary, place: Placement, parameters: StepParameters): void {
  const { operation, large, small, output } = binary;
  const { arena } = parameters;
  const factors = factorsOf(binary);
  const requantizer = emitRequantizer(f, { ...output, clamp: operation.clamp, rounding: roundingOf(binary, factors) });
  const [outer, end, inner, at, smallAt] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
  const rows = rowsOf(binary);
  const results = f.locals('v', rows * 4);
  const wide = f.locals('v', 2);
  const constants = emitConstants(f, binary, factors);
  const operand = (from: Local, offset: number, part: 'low' | 'high', zero: Local, target: Local): void => {
    f.get(from).op('v128.load', { offset }).op(`i16x8.extend_${part}_i8x16_u`);
    f.get(zero).op('i16x8.sub').set(target);
  };
  const compute = (): void => {
    for (let index = 0; index < rows * 4; index++) {
      const row = Math.floor(index / 4);
      if (index % 2 === 0) {
        const half = index % 4 === 0 ? 'low' : 'high';
        operand(at, place.address(large.name) + row * 16, half, constants.zeros[0]!, wide[0]!);
        operand(smallAt, place.address(small.name) + row * 16, half, constants.zeros[1]!, wide[1]!);
      }
      emitCompute(f, binary, wide, index % 2 === 0 ? 'low' : 'high', constants.factors);
      requantizer.round();
      f.set(results[index]!);
    }
    emitRows(f, results, requantizer, {
      scratch: { at: parameters.scratch, offset: 0 },
      target: (row) => {
        f.get(at);
        return place.address(operation.output) + row * 16;
      },
    });
  };
  const unitBytes = unitBytesOf(binary);
  f.get(parameters.end).i32(unitBytes).op('i32.mul').set(end);
  f.get(parameters.begin).i32(unitBytes).op('i32.mul').set(outer);
  f.repeat(outer, { start: outer, end, step: unitBytes }, () => {
    if (binary.pattern === 'same') {
      f.get(arena).get(outer).op('i32.add').tee(smallAt).set(at);
      compute();
      return;
    }
    f.repeat(inner, { start: 0, end: binary.period, step: rows * 16 }, () => {
      f.get(arena).get(inner).op('i32.add').tee(smallAt).get(outer).op('i32.add').set(at);
      compute();
    });
  });
}

/** k of a product, or ka and kb with their signs, as the reference rounds them. */
function factorsOf({ operation, large, small, output, signs }: Binary): number[] {
  if (operation.kind === 'mul') return [Math.fround(Math.fround(large.value.scale * small.value.scale) / output.scale)];
  return [large, small].map(({ value }, index) => Math.fround(value.scale / output.scale) * signs[index]!);
}

/** |a − za| and |b − zb| are at most 255. */
function roundingOf({ operation }: Binary, factors: readonly number[]): Rounding {
  const [k = 0, kb = 0] = factors.map(Math.abs);
  return roundingWithin(operation.kind === 'mul' ? 255 * 255 * k : 255 * (k + kb));
}

/** Splat zero points (int16) and factors (float32). */
function emitConstants(f: FunctionBuilder, { large, small }: Binary, values: readonly number[]) {
  const zeros = [large, small].map(({ value }) => {
    const local = f.local('v');
    f.i32(value.zeroPoint).op('i16x8.splat').set(local);
    return local;
  });
  const factors = values.map((value) => {
    const local = f.local('v');
    f.f32(value).op('f32x4.splat').set(local);
    return local;
  });
  return { zeros, factors };
}

/** Four results in float32 on the stack. */
function emitCompute(
  f: FunctionBuilder,
  { operation }: Binary,
  wide: readonly Local[],
  quarter: 'low' | 'high',
  factors: readonly Local[],
): void {
  const real = (local: Local): void => {
    f.get(local).op(`i32x4.extend_${quarter}_i16x8_s`).op('f32x4.convert_i32x4_s');
  };
  real(wide[0]!);
  if (operation.kind === 'mul') {
    real(wide[1]!);
    f.op('f32x4.mul').get(factors[0]!).op('f32x4.mul');
    return;
  }
  f.get(factors[0]!).op('f32x4.mul');
  real(wide[1]!);
  f.get(factors[1]!).op('f32x4.mul').op('f32x4.add');
}
