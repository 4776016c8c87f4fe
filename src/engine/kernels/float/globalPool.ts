import { numberAttribute, type Node } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type PlanContext } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { splat64 } from './vectorFunction.ts';
import { imageOf, type FloatImage } from './image.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitAddWide, emitNarrowed, LANES } from './vectors.ts';

/** Channels of a unit, as vectors. */
const VECTORS = 4;

type Reduction = 'mean' | 'sum' | 'max' | 'maxOfNumbers';

const reductions: Readonly<Record<string, Reduction>> = {
  GlobalAveragePool: 'mean',
  GlobalMaxPool: 'max',
  ReduceMean: 'mean',
  ReduceSum: 'sum',
  ReduceMax: 'maxOfNumbers',
};

/** Every channel of an image to one number: pixels in order, sums in float64. */
export const planGlobalPool: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const input = node.inputs[0] ?? '';
  const image = imageOf(input, context);
  if (node.domain !== '' || !Object.hasOwn(reductions, node.opType) || !image || !isFloat32(context, output))
    return undefined;
  if (node.opType.startsWith('Reduce') && !reducesPixels(node, context)) return undefined;
  const reduction = reductions[node.opType]!;
  const vectors = Math.min(VECTORS, Math.ceil(image.channels / LANES));
  return {
    runs: 'wasm',
    operation,
    kernel: `float.${node.opType.toLowerCase()}`,
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: Math.ceil(image.channels / (vectors * LANES)),
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const [unit, channel, at, pixel] = f.locals('i', 4) as [Local, Local, Local, Local];
        const width = vectors * LANES;
        const { start, take, finish } = emitReduction(f, reduction, vectors, image);
        f.repeat(unit, { start: begin, end, step: 1 }, () => {
          f.get(unit).i32(width).op('i32.mul').set(channel);
          // behind the end of an output there is room for the lanes of channels that do not exist
          if (image.channels >= width) emitLastFits(f, channel, image.channels, width);
          f.get(channel).i32(4).op('i32.mul').get(arena).op('i32.add').tee(channel).set(at);
          start();
          f.repeat(pixel, { start: 0, end: image.height * image.width, step: 1 }, () => {
            take((vector) => f.get(at).op('v128.load', { offset: place.address(input) + vector * 16 }));
            f.get(at)
              .i32(image.channels * 4)
              .op('i32.add')
              .set(at);
          });
          finish((vector) =>
            f
              .get(channel)
              .get(vector.result)
              .op('v128.store', { offset: place.address(output) + vector.index * 16 }),
          );
        });
      }),
  };
};

/** Axes 2 and 3 of an image, given as constants. */
function reducesPixels(node: Node, { graph }: PlanContext): boolean {
  const axes = graph.constants.get(node.inputs[1] ?? '');
  if (!axes || numberAttribute(node, 'noop_with_empty_axes', 0) !== 0) return false;
  const given = Array.from<number | bigint, number>(axes.data, (axis) => (Number(axis) + 4) % 4);
  return given.length === 2 && given.includes(2) && given.includes(3);
}

interface Emitted {
  readonly start: () => void;
  /** `load` pushes one vector of a pixel's channels. */
  readonly take: (load: (vector: number) => void) => void;
  readonly finish: (store: (vector: { readonly index: number; readonly result: Local }) => void) => void;
}

function emitReduction(f: FunctionBuilder, reduction: Reduction, vectors: number, image: FloatImage): Emitted {
  const each = (body: (vector: number) => void): void => {
    for (let vector = 0; vector < vectors; vector++) body(vector);
  };
  const result = f.local('v');
  if (reduction === 'max' || reduction === 'maxOfNumbers') {
    const accs = f.locals('v', vectors);
    return {
      start: () => each((vector) => f.f32(-Infinity).op('f32x4.splat').set(accs[vector]!)),
      take: (load) =>
        each((vector) => {
          f.get(accs[vector]!);
          load(vector);
          f.op(reduction === 'max' ? 'f32x4.max' : 'f32x4.pmax').set(accs[vector]!);
        }),
      finish: (store) => each((index) => store({ index, result: accs[index]! })),
    };
  }
  const sums = f.locals('v', vectors * 2);
  const count = reduction === 'mean' ? splat64(f, image.height * image.width) : undefined;
  const x = f.local('v');
  return {
    start: () => sums.forEach((sum) => f.v128(new Uint8Array(16)).set(sum)),
    take: (load) =>
      each((vector) => {
        load(vector);
        f.set(x);
        emitAddWide(f, x, [sums[2 * vector]!, sums[2 * vector + 1]!]);
      }),
    finish: (store) =>
      each((index) => {
        emitNarrowed(f, [sums[2 * index]!, sums[2 * index + 1]!], () => {
          if (count) f.get(count).op('f64x2.div');
        });
        f.set(result);
        store({ index, result });
      }),
  };
}
