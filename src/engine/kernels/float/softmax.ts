import { numberAttribute } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type StepParameters } from '../../plan/step.ts';
import { emitExp } from './exp.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitRowStart, rowsAlong, type Rows } from './rows.ts';

/** e^(x − max) / Σ along one axis; sums in float64, in order. */
export const planSoftmax: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const input = node.inputs[0] ?? '';
  if (node.domain !== '' || node.opType !== 'Softmax') return undefined;
  if (!isFloat32(context, input) || !isFloat32(context, output)) return undefined;
  if (context.layouts.get(input)?.kind !== context.layouts.get(output)?.kind) return undefined;
  const rows = rowsAlong(numberAttribute(node, 'axis', -1), input, context);
  if (!rows) return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.softmax',
    macs: 0,
    constants: [],
    scratchBytes: rows.size * 8 + 16,
    units: rows.count,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        emitSoftmax(f, rows, { from: place.address(input), to: place.address(output) }, parameters);
      }),
  };
};

/**
 * for each row:
 *   max = the largest
 *   for each pair: scratch = exp(x − max)
 *   sum = Σ scratch, one after the other
 *   for each pair: y = scratch / sum
 */
function emitSoftmax(
  f: FunctionBuilder,
  rows: Rows,
  { from, to }: { readonly from: number; readonly to: number },
  { arena, scratch, begin, end }: StepParameters,
): void {
  const { size, step } = rows;
  const [row, k, start, at, pair] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
  const largest = f.local('f');
  const sum = f.local('d');
  const [max, total, x] = f.locals('v', 3) as [Local, Local, Local];
  const exp = emitExp(f);
  const pairs = (body: () => void): void => {
    f.get(start).set(at);
    f.get(scratch).set(pair);
    f.repeat(k, { start: 0, end: size, step: 2 }, () => {
      body();
      f.get(at)
        .i32(2 * step)
        .op('i32.add')
        .set(at);
      f.get(pair).i32(16).op('i32.add').set(pair);
    });
  };
  const second = size > 1 ? step : 0;
  const load = (): void => {
    f.get(at);
    if (second === 4) f.op('v128.load64_zero', { offset: from });
    else {
      f.get(at).op('v128.load32_zero', { offset: from });
      f.op('v128.load32_lane', { offset: from + second, lane: 1 });
    }
  };
  f.repeat(row, { start: begin, end, step: 1 }, () => {
    emitRowStart(f, { row, start, arena }, rows);
    f.get(start).op('f32.load', { offset: from }).set(largest).get(start).set(at);
    f.repeat(k, { start: 0, end: size, step: 1 }, () => {
      f.get(largest).get(at).op('f32.load', { offset: from }).op('f32.max').set(largest);
      f.get(at).i32(step).op('i32.add').set(at);
    });
    f.get(largest).op('f64.promote_f32').op('f64x2.splat').set(max);
    pairs(() => {
      load();
      f.op('f64x2.promote_low_f32x4').get(max).op('f64x2.sub').set(x);
      f.get(pair);
      exp(x);
      f.op('v128.store');
    });
    f.f64(0).set(sum).get(scratch).set(pair);
    f.repeat(k, { start: 0, end: size, step: 1 }, () => {
      f.get(sum).get(pair).op('f64.load').op('f64.add').set(sum);
      f.get(pair).i32(8).op('i32.add').set(pair);
    });
    f.get(sum).op('f64x2.splat').set(total);
    pairs(() => {
      f.get(pair).op('v128.load').get(total).op('f64x2.div').op('f32x4.demote_f64x2_zero').set(x);
      f.get(at).get(x).op('v128.store32_lane', { offset: to, lane: 0 });
      emitWhere(f, k, size, () =>
        f
          .get(at)
          .get(x)
          .op('v128.store32_lane', { offset: to + step, lane: 1 }),
      );
    });
  });
}

/** The second of a pair, where there is one: only the last pair of an odd row lacks it. */
function emitWhere(f: FunctionBuilder, k: Local, size: number, body: () => void): void {
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
