import { stringAttribute } from '../../../graph/index.ts';
import { resizeTaps, type Taps } from '../../../reference/index.ts';
import { tensor } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type Placement, type StepParameters } from '../../plan/step.ts';
import { imageOf, type FloatImage } from './image.ts';
import type { FloatPlanner } from './planner.ts';
import { emitStoreFloats, LANES } from './vectors.ts';

/**
 * Linear and cubic Resize of an image: each output row is interpolated down, into scratch, then across. Sums in float32, tap by
 * tap.
 */
export const planResize: FloatPlanner = (operation, context) => {
  const { node, output: to } = operation;
  const [from = '', ...further] = node.inputs;
  const [input, output] = [imageOf(from, context), imageOf(to, context)];
  if (node.domain !== '' || node.opType !== 'Resize' || !input || !output) return undefined;
  if (!['linear', 'cubic'].includes(stringAttribute(node, 'mode', 'nearest'))) return undefined;
  const constants = further.map((name) => (name === '' ? undefined : context.graph.constants.get(name)));
  if (further.some((name, index) => name !== '' && !constants[index])) return undefined;
  const shape = [1, input.channels, input.height, input.width];
  const [batch, channels, down, across] = resizeTaps(node, [tensor('float32', shape), ...constants]);
  if (batch || channels || (!down && !across)) return undefined;
  const pixelBytes = input.channels * 4;
  const tables = [tableOf(down, input.width * pixelBytes), tableOf(across, pixelBytes)] as const;
  if ((down && !tables[0]) || (across && !tables[1])) return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.resize',
    macs: 0,
    constants: tables.map((table) => table ?? new Uint8Array(8)),
    scratchBytes: input.width * pixelBytes + 64,
    units: output.height,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const axes = { down: down !== undefined, across: across !== undefined };
        emitResize(f, { input, output, from, to, axes }, place, parameters);
      }),
  };
};

/**
 * For each output coordinate the place of its taps and how many; then the taps: byte offset and weight. Undefined where a
 * coordinate has none.
 */
function tableOf(taken: readonly (Taps | undefined)[] | undefined, step: number): Uint8Array | undefined {
  if (!taken?.every((taps) => taps !== undefined && taps.at.length > 0)) return undefined;
  const every = taken.flatMap((taps) => taps ?? []);
  const count = every.reduce((sum, { at }) => sum + at.length, 0);
  const bytes = new DataView(new ArrayBuffer((every.length + count) * ENTRY_BYTES));
  let next = every.length * ENTRY_BYTES;
  every.forEach(({ at, weights }, index) => {
    bytes.setInt32(index * ENTRY_BYTES, next, true);
    bytes.setInt32(index * ENTRY_BYTES + 4, at.length, true);
    at.forEach((k, t) => {
      bytes.setInt32(next, k * step, true);
      bytes.setFloat32(next + 4, weights[t]!, true);
      next += ENTRY_BYTES;
    });
  });
  return new Uint8Array(bytes.buffer);
}

const ENTRY_BYTES = 8;

interface Resized {
  readonly input: FloatImage;
  readonly output: FloatImage;
  readonly from: string;
  readonly to: string;
  readonly axes: { readonly down: boolean; readonly across: boolean };
}

/**
 * for each output row:
 *   line = the input row, or Σ over its taps of rows · weights
 *   for each output column: Σ over its taps of pixels of the line · weights
 */
function emitResize(f: FunctionBuilder, resized: Resized, place: Placement, parameters: StepParameters): void {
  const { input, output, axes } = resized;
  const { arena, scratch, begin, end } = parameters;
  const pixelBytes = input.channels * 4;
  const rowBytes = input.width * pixelBytes;
  const [row, column, source, line, target] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
  const [downTable = 0, acrossTable = 0] = place.constants;
  f.get(begin)
    .i32(output.width * pixelBytes)
    .op('i32.mul')
    .get(arena)
    .op('i32.add')
    .i32(place.address(resized.to));
  f.op('i32.add').set(target);
  f.repeat(row, { start: begin, end, step: 1 }, () => {
    f.get(arena).i32(place.address(resized.from)).op('i32.add').set(source);
    const toLine = axes.across ? scratch : target;
    if (axes.down) {
      f.get(toLine).set(line);
      emitTaps(f, { index: row, table: downTable, source, target: line, floats: input.width * input.channels });
    } else f.get(source).get(row).i32(rowBytes).op('i32.mul').op('i32.add').set(line);
    if (axes.across)
      f.repeat(column, { start: 0, end: output.width, step: 1 }, () => {
        emitTaps(f, { index: column, table: acrossTable, source: line, target, floats: input.channels });
        f.get(target).i32(pixelBytes).op('i32.add').set(target);
      });
    else f.get(target).i32(rowBytes).op('i32.add').set(target);
  });
}

interface Interpolation {
  /** The output coordinate. */
  readonly index: Local;
  readonly table: number;
  readonly source: Local;
  readonly target: Local;
  /** Floats side by side that each tap takes. */
  readonly floats: number;
}

/** for each tap: for each vector: target = (target, or 0 at first) + source[tap] · weight */
function emitTaps(f: FunctionBuilder, { index, table, source, target, floats }: Interpolation): void {
  const [tap, tapEnd, from, to, counter] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
  const [weight, sum, zero] = f.locals('v', 3) as [Local, Local, Local];
  const whole = Math.floor(floats / LANES);
  const pass = (kind: 'first' | 'further'): void => {
    f.get(tap).op('i32.load', { offset: table }).get(source).op('i32.add').set(from);
    f.get(tap)
      .op('v128.load32_splat', { offset: table + 4 })
      .set(weight);
    f.get(target).set(to);
    const vector = (count: number): void => {
      if (kind === 'first') f.get(zero);
      else f.get(to).op('v128.load');
      f.get(from).op('v128.load').get(weight).op('f32x4.mul').op('f32x4.add').set(sum);
      emitStoreFloats(f, sum, { at: to, offset: 0, count });
    };
    if (whole > 0)
      f.repeat(counter, { start: 0, end: whole, step: 1 }, () => {
        vector(LANES);
        for (const pointer of [from, to])
          f.get(pointer)
            .i32(LANES * 4)
            .op('i32.add')
            .set(pointer);
      });
    if (floats % LANES > 0) vector(floats % LANES);
    f.get(tap).i32(ENTRY_BYTES).op('i32.add').set(tap);
  };
  f.get(index).i32(ENTRY_BYTES).op('i32.mul').op('i32.load', { offset: table }).set(tap);
  f.get(index)
    .i32(ENTRY_BYTES)
    .op('i32.mul')
    .op('i32.load', { offset: table + 4 })
    .i32(ENTRY_BYTES)
    .op('i32.mul');
  f.get(tap).op('i32.add').set(tapEnd);
  pass('first');
  f.block((leaveIf) => {
    f.loop((again) => {
      f.get(tap).get(tapEnd).op('i32.ge_s');
      leaveIf();
      pass('further');
      f.i32(1);
      again();
    });
  });
}
