import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { QuantizedWeights } from '../../../graph/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import { scratchOf, stridesOf, type FastConv } from './fast.ts';
import type { WinogradForm } from './form.ts';

const TAPS = 9;

/** Bytes of 16 output channels for two input channels as int16: four vectors. */
const CELL = CHANNEL_BLOCK * 2 * 2;

/**
 * Two rows of U = G g Gᵀ, which share their taps, two input channels for 16 output channels at a time, in the order of the stored
 * weights.
 *
 * @param from  address of the first pair's weights
 * @param count pairs of input channels
 */
export function emitWeightsRows(
  f: FunctionBuilder,
  conv: FastConv,
  rows: RowPair,
  locals: Readonly<Record<'scratch' | 'from' | 'count', Local>>,
): void {
  const { form, weightBytes } = conv;
  const { weights: stride } = stridesOf(conv);
  const storedCell = storedCellBytes(conv);
  const target = scratchOf(conv).weights;
  const [pair, from, to] = f.locals('i', 3) as [Local, Local, Local];
  f.get(locals.from).set(from);
  f.get(locals.scratch).set(to);
  const loaded = (y: number, x: number, lane: number): Local => {
    const tap = f.local('v');
    const offset = (y * 3 + x) * storedCell + lane * 8 * weightBytes;
    f.get(from)
      .op(weightBytes === 1 ? 'v128.load8x8_s' : 'v128.load', { offset })
      .set(tap);
    return tap;
  };
  f.repeat(pair, { start: 0, end: locals.count, step: 1 }, () => {
    for (const first of [0, 2]) {
      const results = [first, first + 1].map((lane) => {
        // V8 leaves out the rows of columns that nothing reads
        const columns = [0, 1, 2].map((x) =>
          form.weights(
            f,
            [0, 1, 2].map((y) => loaded(y, x, lane)),
          ),
        );
        return rows
          .map((row) =>
            form.weights(
              f,
              columns.map((column) => column[row]!),
            ),
          )
          .flat();
      });
      for (let product = 0; product < 2 * form.points; product++)
        results.forEach((vectors, lane) =>
          f
            .get(to)
            .get(vectors[product]!)
            .op('v128.store', { offset: target + product * stride + (first + lane) * 16 }),
        );
    }
    f.get(from)
      .i32(TAPS * storedCell)
      .op('i32.add')
      .set(from);
    f.get(to).i32(CELL).op('i32.add').set(to);
  });
}

/** Rows of points: the outer ones, which need two taps, and those of x and −x. */
export type RowPair = readonly [number, number];

export function rowPairsOf({ points }: WinogradForm): readonly RowPair[] {
  const opposite = Array.from({ length: points / 2 - 1 }, (_, index): RowPair => [2 * index + 1, 2 * index + 2]);
  return [[0, points - 1], ...opposite];
}

/** Bytes of stored weights of a tap: two input channels, 16 output channels. */
const storedCellBytes = ({ weightBytes }: FastConv): number => CHANNEL_BLOCK * 2 * weightBytes;

/** Bytes of stored weights of two input channels. */
export const storedPairBytes = (conv: FastConv): number => TAPS * storedCellBytes(conv);

/** [panels][pairs of input channels][3][3][16 output channels][2] of w − zw, for the emitter above. */
export function packTaps(
  { data, shape, zeroPoints }: QuantizedWeights,
  { panels, depth, weightBytes }: { readonly panels: number; readonly depth: number; readonly weightBytes: 1 | 2 },
): Uint8Array {
  const [outChannels = 1, inChannels = 1] = shape;
  const count = panels * CHANNEL_BLOCK * depth * TAPS;
  const elements = weightBytes === 2 ? new Int16Array(count) : new Int8Array(count);
  for (let m = 0; m < outChannels; m++) {
    const panel = Math.floor(m / CHANNEL_BLOCK) * (depth / 2);
    for (let c = 0; c < inChannels; c++) {
      const pair = (panel + (c >> 1)) * TAPS;
      for (let tap = 0; tap < TAPS; tap++)
        elements[((pair + tap) * CHANNEL_BLOCK + (m % CHANNEL_BLOCK)) * 2 + (c & 1)] =
          data[(m * inChannels + c) * TAPS + tap]! - zeroPoints[m]!;
    }
  }
  return new Uint8Array(elements.buffer);
}
