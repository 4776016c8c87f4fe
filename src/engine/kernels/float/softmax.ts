import { numberAttribute } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type StepParameters } from '../../plan/step.ts';
import { emitExp } from './exp.ts';
import { emitLog } from './log.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitRowStart, rowsAlong, type Rows } from './rows.ts';

/** e^(x − max) / Σ along one axis, or x − max − ln Σ; sums in float64, in order. */
export const planSoftmax: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const input = node.inputs[0] ?? '';
  if (node.domain !== '' || (node.opType !== 'Softmax' && node.opType !== 'LogSoftmax')) return undefined;
  if (!isFloat32(context, input) || !isFloat32(context, output)) return undefined;
  if (context.layouts.get(input)?.kind !== context.layouts.get(output)?.kind) return undefined;
  const rows = rowsAlong(numberAttribute(node, 'axis', -1), input, context);
  if (!rows) return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: `float.${node.opType.toLowerCase()}`,
    macs: 0,
    constants: [],
    scratchBytes: rows.size * 8 + 16,
    units: rows.count,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const softmax: Softmax = {
          ...{ rows, from: place.address(input), to: place.address(output) },
          result: node.opType === 'Softmax' ? 'share' : 'logarithm',
        };
        emitSoftmax(f, softmax, parameters);
      }),
  };
};

interface Softmax {
  readonly rows: Rows;
  readonly from: number;
  readonly to: number;
  readonly result: 'share' | 'logarithm';
}

/**
 * for each row:
 *   max = the largest
 *   for each pair: scratch = exp(x − max)
 *   sum = Σ scratch, one after the other
 *   for each pair: y = scratch / sum, or x − max − ln sum
 */
function emitSoftmax(f: FunctionBuilder, softmax: Softmax, parameters: StepParameters): void {
  const { rows, from, to, result } = softmax;
  const { arena, scratch, begin, end } = parameters;
  const { size, step } = rows;
  const [row, start, at, k, pair] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
  const [max, total, x] = f.locals('v', 3) as [Local, Local, Local];
  const exp = emitExp(f);
  const log = result === 'logarithm' ? emitLog(f) : undefined;
  const pairs = (body: () => void): void => {
    f.get(start).set(at).get(scratch).set(pair);
    f.repeat(k, { start: 0, end: size, step: 2 }, () => {
      body();
      f.get(at)
        .i32(2 * step)
        .op('i32.add')
        .set(at);
      f.get(pair).i32(16).op('i32.add').set(pair);
    });
  };
  const loadShifted = (): void => {
    f.get(at).op('v128.load32_zero', { offset: from }).set(x);
    emitWhereSecond(f, k, size, () =>
      f
        .get(at)
        .get(x)
        .op('v128.load32_lane', { offset: from + step, lane: 1 })
        .set(x),
    );
    f.get(x).op('f64x2.promote_low_f32x4').get(max).op('f64x2.sub').set(x);
  };
  f.repeat(row, { start: begin, end, step: 1 }, () => {
    emitRowStart(f, { row, start, arena }, rows);
    emitLargest(f, softmax, { start, max });
    pairs(() => {
      loadShifted();
      f.get(pair);
      exp(x);
      f.op('v128.store');
    });
    emitTotal(f, size, { scratch, total });
    if (log) {
      log(total);
      f.set(total);
    }
    pairs(() => {
      if (log) {
        loadShifted();
        f.get(x).get(total).op('f64x2.sub');
      } else f.get(pair).op('v128.load').get(total).op('f64x2.div');
      f.op('f32x4.demote_f64x2_zero').set(x);
      f.get(at).get(x).op('v128.store32_lane', { offset: to, lane: 0 });
      emitWhereSecond(f, k, size, () =>
        f
          .get(at)
          .get(x)
          .op('v128.store32_lane', { offset: to + step, lane: 1 }),
      );
    });
  });
}

/** max = the largest element of the row, in float64 in both lanes; NaN where one is. */
function emitLargest(
  f: FunctionBuilder,
  { rows: { size, step }, from }: Softmax,
  { start, max }: { readonly start: Local; readonly max: Local },
): void {
  const [k, at] = f.locals('i', 2) as [Local, Local];
  const largest = f.local('f');
  f.get(start).op('f32.load', { offset: from }).set(largest).get(start).set(at);
  f.repeat(k, { start: 0, end: size, step: 1 }, () => {
    f.get(largest).get(at).op('f32.load', { offset: from }).op('f32.max').set(largest);
    f.get(at).i32(step).op('i32.add').set(at);
  });
  f.get(largest).op('f64.promote_f32').op('f64x2.splat').set(max);
}

/** total = Σ of the row's powers in scratch, one after the other, in both lanes. */
function emitTotal(
  f: FunctionBuilder,
  size: number,
  { scratch, total }: { readonly scratch: Local; readonly total: Local },
): void {
  const [k, at] = f.locals('i', 2) as [Local, Local];
  const sum = f.local('d');
  f.f64(0).set(sum).get(scratch).set(at);
  f.repeat(k, { start: 0, end: size, step: 1 }, () => {
    f.get(sum).get(at).op('f64.load').op('f64.add').set(sum);
    f.get(at).i32(8).op('i32.add').set(at);
  });
  f.get(sum).op('f64x2.splat').set(total);
}

/** The second of a pair, where there is one: only the last pair of an odd row lacks it. */
function emitWhereSecond(f: FunctionBuilder, k: Local, size: number, body: () => void): void {
  if (size % 2 === 0) {
    body();
    return;
  }
  f.block((skipIf) => {
    f.get(k)
      .i32(size - 1)
      .op('i32.eq');
    skipIf();
    body();
  });
}
