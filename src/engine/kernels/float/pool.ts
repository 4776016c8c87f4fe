import { numberAttribute, numbersAttribute, type Node } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type Placement, type StepParameters } from '../../plan/step.ts';
import { bytesOf } from '../requantize.ts';
import { imageOf, type FloatImage } from './image.ts';
import type { FloatPlanner } from './planner.ts';
import { emitAddWide, emitNarrowed, emitStoreFloats, LANES } from './vectors.ts';
import { floatWindow, type FloatWindow } from './conv/window.ts';

/** Channels taken together, as vectors. */
const VECTORS = 4;

/** Taps of one output row or column: the first that lies inside the input, and how many do. */
interface Reach {
  readonly first: number;
  readonly taps: number;
  /** Taps that count for the mean: those inside, or those inside the declared padding too. */
  readonly counted: number;
}

/** MaxPool and AveragePool: windows cut to the input, taps in order, sums in float64. */
export const planPool: FloatPlanner = (operation, context) => {
  const { node, output: to } = operation;
  if (node.domain !== '' || (node.opType !== 'MaxPool' && node.opType !== 'AveragePool')) return undefined;
  const [input, output] = [imageOf(node.inputs[0] ?? '', context), imageOf(to, context)];
  const [kernelH = 1, kernelW = 1, ...more] = numbersAttribute(node, 'kernel_shape');
  if (!input || !output || more.length > 0 || operation.outputs.length > 1) return undefined;
  const window = floatWindow(node, [kernelH, kernelW], { input, output });
  const rows = window && reachOf(node, window, 0, [input.height, output.height]);
  const columns = window && reachOf(node, window, 1, [input.width, output.width]);
  if (!rows || !columns || [...rows, ...columns].some(({ taps }) => taps < 1)) return undefined;
  const pool: Pool = { mean: node.opType === 'AveragePool', input, output, window, from: node.inputs[0] ?? '', to };
  return {
    runs: 'wasm',
    operation,
    kernel: `float.${node.opType.toLowerCase()}`,
    macs: 0,
    constants: [tableOf(rows), tableOf(columns)],
    scratchBytes: 0,
    units: output.height,
    emit: (module, place) => stepFunction(module, (f, parameters) => emitPool(f, pool, place, parameters)),
  };
};

function reachOf(
  node: Node,
  { kernel, strides, dilations, pads }: FloatWindow,
  d: 0 | 1,
  [size, output]: readonly [number, number],
): Reach[] {
  const withPads = numberAttribute(node, 'count_include_pad', 0) !== 0;
  const declared = numbersAttribute(node, 'pads', [0, 0, 0, 0])[d + 2] ?? 0;
  return Array.from({ length: output }, (_, at) => {
    const places = Array.from({ length: kernel[d] }, (_, k) => at * strides[d] - pads[d] + k * dilations[d]);
    const inside = places.filter((place) => place >= 0 && place < size);
    const counted = withPads ? places.filter((place) => place < size + declared).length : inside.length;
    return { first: inside[0] ?? 0, taps: inside.length, counted };
  });
}

const ENTRY_BYTES = 12;

function tableOf(reaches: readonly Reach[]): Uint8Array {
  return bytesOf(Int32Array.from(reaches.flatMap(({ first, taps, counted }) => [first, taps, counted])));
}

interface Pool {
  readonly mean: boolean;
  readonly input: FloatImage;
  readonly output: FloatImage;
  readonly window: FloatWindow;
  readonly from: string;
  readonly to: string;
}

/** for each output row, for each column: for each block of channels: for each tap inside: take it; store */
function emitPool(f: FunctionBuilder, pool: Pool, place: Placement, { arena, begin, end }: StepParameters): void {
  const { input, output, mean } = pool;
  const pixelBytes = input.channels * 4;
  const [row, column, rowTaps, columnTaps, corner, target, block] = f.locals('i', 7) as Local[] & { length: 7 };
  const divisor = f.local('v');
  const [rowTable = 0, columnTable = 0] = place.constants;
  const entry = (index: Local, table: number, field: number): void => {
    f.get(index)
      .i32(ENTRY_BYTES)
      .op('i32.mul')
      .op('i32.load', { offset: table + field * 4 });
  };
  const width = VECTORS * LANES * 4;
  const whole = Math.floor(pixelBytes / width);
  const rest = input.channels - whole * VECTORS * LANES;
  const blocks = { f, pool, corner: corner!, target: target!, rowTaps: rowTaps!, columnTaps: columnTaps!, divisor };
  f.get(begin)
    .i32(output.width * pixelBytes)
    .op('i32.mul')
    .get(arena)
    .op('i32.add')
    .i32(place.address(pool.to));
  f.op('i32.add').set(target!);
  f.repeat(row!, { start: begin, end, step: 1 }, () => {
    entry(row!, rowTable, 1);
    f.set(rowTaps!);
    f.repeat(column!, { start: 0, end: output.width, step: 1 }, () => {
      entry(column!, columnTable, 1);
      f.set(columnTaps!);
      entry(row!, rowTable, 0);
      f.i32(input.width).op('i32.mul');
      entry(column!, columnTable, 0);
      f.op('i32.add').i32(pixelBytes).op('i32.mul').get(arena).op('i32.add').i32(place.address(pool.from));
      f.op('i32.add').set(corner!);
      if (mean) {
        entry(row!, rowTable, 2);
        entry(column!, columnTable, 2);
        f.op('i32.mul').op('i32x4.splat').op('f64x2.convert_low_i32x4_s').set(divisor);
      }
      const advance = (bytes: number): void => {
        for (const pointer of [corner!, target!]) f.get(pointer).i32(bytes).op('i32.add').set(pointer);
      };
      if (whole > 0)
        f.repeat(block!, { start: 0, end: whole, step: 1 }, () => {
          emitWindow(blocks, VECTORS * LANES);
          advance(width);
        });
      if (rest === 0) return;
      emitWindow(blocks, rest);
      f.get(target!)
        .i32(rest * 4)
        .op('i32.add')
        .set(target!);
    });
  });
}

interface Window {
  readonly f: FunctionBuilder;
  readonly pool: Pool;
  /** The first tap's channels, and where the result goes. */
  readonly corner: Local;
  readonly target: Local;
  readonly rowTaps: Local;
  readonly columnTaps: Local;
  readonly divisor: Local;
}

function emitWindow({ f, pool, corner, target, rowTaps, columnTaps, divisor }: Window, channels: number): void {
  const { input, window, mean } = pool;
  const pixelBytes = input.channels * 4;
  const vectors = Math.ceil(channels / LANES);
  const accs = f.locals('v', mean ? vectors * 2 : vectors);
  const [ky, kx, line, at] = f.locals('i', 4) as [Local, Local, Local, Local];
  const x = f.local('v');
  accs.forEach((acc, index) => {
    if (mean) f.v128(new Uint8Array(16));
    else f.get(corner).op('v128.load', { offset: index * 16 });
    f.set(acc);
  });
  f.get(corner).set(line);
  f.repeat(ky, { start: 0, end: rowTaps, step: 1 }, () => {
    f.get(line).set(at);
    f.repeat(kx, { start: 0, end: columnTaps, step: 1 }, () => {
      for (let vector = 0; vector < vectors; vector++) {
        f.get(at)
          .op('v128.load', { offset: vector * 16 })
          .set(x);
        if (mean) emitAddWide(f, x, [accs[2 * vector]!, accs[2 * vector + 1]!]);
        else f.get(accs[vector]!).get(x).op('f32x4.pmax').set(accs[vector]!);
      }
      f.get(at)
        .i32(window.dilations[1] * pixelBytes)
        .op('i32.add')
        .set(at);
    });
    f.get(line)
      .i32(window.dilations[0] * input.width * pixelBytes)
      .op('i32.add')
      .set(line);
  });
  for (let vector = 0; vector < vectors; vector++) {
    if (mean) emitNarrowed(f, [accs[2 * vector]!, accs[2 * vector + 1]!], () => f.get(divisor).op('f64x2.div'));
    else f.get(accs[vector]!);
    f.set(x);
    emitStoreFloats(f, x, { at: target, offset: vector * 16, count: Math.min(LANES, channels - vector * LANES) });
  }
}
