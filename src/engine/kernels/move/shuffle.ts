import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { ANY, PAD, type Sources } from './elements.ts';

const VECTOR_BYTES = 16;

/** More vectors than this are not joined. */
const MOST_WINDOWS = 4;

/** More code than this is not written out. */
const MOST_BLOCKS = 24;

/** Sixteen bytes of one input, that begin at a byte of its pixel. */
interface Window {
  readonly operand: number;
  readonly offset: number;
}

/** One vector of an output pixel: from which window each lane comes, and which lane of it; ANY where it does not matter. */
interface Block {
  readonly windows: readonly Window[];
  readonly lanes: readonly { readonly window: number; readonly lane: number }[];
}

/** Every pixel of the output is the same rearrangement of the bytes of the same pixel of the inputs. */
export interface PixelShuffle {
  readonly pixels: number;
  /** Bytes from pixel to pixel: of the output, and of each input. */
  readonly outputStep: number;
  readonly inputSteps: readonly number[];
  readonly blocks: readonly Block[];
}

/** @param steps bytes of a pixel of the output, and of each input */
export function pixelShuffle(
  { operands, offsets, elementBytes }: Sources,
  steps: { readonly output: number; readonly inputs: readonly number[] },
): PixelShuffle | undefined {
  const { output, inputs } = steps;
  if (elementBytes !== 1 || output % VECTOR_BYTES !== 0 || output / VECTOR_BYTES > MOST_BLOCKS) return undefined;
  const pixels = operands.length / output;
  for (let slot = 0; slot < operands.length; slot++) {
    const place = slot % output;
    const operand = operands[slot]!;
    if (operand === PAD || operand !== operands[place]) return undefined;
    if (operand === ANY) continue;
    if (offsets[slot]! - ((slot - place) / output) * inputs[operand]! !== offsets[place]!) return undefined;
  }
  const blocks: Block[] = [];
  for (let first = 0; first < output; first += VECTOR_BYTES) {
    const block = blockOf(
      operands.subarray(first, first + VECTOR_BYTES),
      offsets.subarray(first, first + VECTOR_BYTES),
    );
    if (block.windows.length > MOST_WINDOWS) return undefined;
    blocks.push(block);
  }
  return { pixels, outputStep: output, inputSteps: inputs, blocks };
}

/** Windows that cover the lanes' bytes, each beginning with the lowest byte that none before it covers. */
function blockOf(operands: Int32Array, offsets: Int32Array): Block {
  const used = Array.from(operands, (operand, lane) => ({ operand, offset: offsets[lane]! }))
    .filter(({ operand }) => operand !== ANY)
    .sort((a, b) => a.operand - b.operand || a.offset - b.offset);
  const windows: Window[] = [];
  for (const { operand, offset } of used) {
    const last = windows.at(-1);
    if (last?.operand !== operand || offset >= last.offset + VECTOR_BYTES) windows.push({ operand, offset });
  }
  const lanes = Array.from(operands, (operand, lane) => {
    const window = windows.findIndex(
      (each) =>
        each.operand === operand && offsets[lane]! >= each.offset && offsets[lane]! < each.offset + VECTOR_BYTES,
    );
    return window < 0 ? { window: ANY, lane: 0 } : { window, lane: offsets[lane]! - windows[window]!.offset };
  });
  return { windows, lanes };
}

/**
 * for each pixel: for each vector of the output: join its windows by shuffles, store
 *
 * @param sources pointers to the first pixel of each input; moved on
 * @param target  pointer to the first pixel of the output; moved on
 */
export function emitPixelShuffle(
  f: FunctionBuilder,
  { outputStep, inputSteps, blocks }: PixelShuffle,
  place: {
    readonly sources: readonly Local[];
    readonly target: Local;
    readonly begin: Local;
    readonly end: Local;
  },
): void {
  const pixel = f.local('i');
  f.repeat(pixel, { start: place.begin, end: place.end, step: 1 }, () => {
    blocks.forEach((block, index) => {
      if (block.windows.length === 0) return;
      f.get(place.target);
      emitBlock(f, block, place.sources);
      f.op('v128.store', { offset: index * VECTOR_BYTES });
    });
    place.sources.forEach((source, operand) => {
      f.get(source).i32(inputSteps[operand]!).op('i32.add').set(source);
    });
    f.get(place.target).i32(outputStep).op('i32.add').set(place.target);
  });
}

/** acc = shuffle(window 0, window 1), then shuffle(acc, window 2) and so on: lanes of later windows replace what lies there. */
function emitBlock(f: FunctionBuilder, { windows, lanes }: Block, sources: readonly Local[]): void {
  const load = ({ operand, offset }: Window): void => {
    f.get(sources[operand]!).op('v128.load', { offset });
  };
  load(windows[0]!);
  const inOrder = lanes.every(({ window, lane }, at) => window !== 0 || lane === at);
  if (windows.length === 1 && inOrder) return;
  for (let next = 1; next < Math.max(2, windows.length); next++) {
    load(windows[Math.min(next, windows.length - 1)]!);
    f.shuffle(
      lanes.map(({ window, lane }, at) => {
        if (window === next) return 16 + lane;
        return next === 1 && window === 0 ? lane : at;
      }),
    );
  }
}
