import { numberAttribute, type Node } from '../../../graph/index.ts';
import { elementCount } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type PlanContext } from '../../plan/step.ts';
import { splat64 } from './vectorFunction.ts';
import type { FloatImage } from './image.ts';
import { emitAlong, emitGroupStart, groupsOf, lanesOf, type Stretches } from './lanes.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitNarrowed, emitStoreFloats, emitWidened } from './vectors.ts';

/** One fold of two lanes in float64: acc and x on the stack become acc. */
interface Fold {
  readonly start: number;
  readonly step: (f: FunctionBuilder, acc: Local, x: Local) => void;
  /** Of the sum on the stack; `count` elements made it. */
  readonly finish?: (f: FunctionBuilder, count: Local) => void;
}

const sum: Fold = { start: 0, step: (f, acc, x) => f.get(acc).get(x).op('f64x2.add') };
const squares: Fold = { start: 0, step: (f, acc, x) => f.get(acc).get(x).get(x).op('f64x2.mul').op('f64x2.add') };

/** pmax(a, b) is a < b ? b : a: NaN as x is passed over, as in the reference. */
const folds: Readonly<Record<string, Fold>> = {
  ReduceSum: sum,
  ReduceMean: { ...sum, finish: (f, count) => f.get(count).op('f64x2.div') },
  ReduceSumSquare: squares,
  ReduceL1: { start: 0, step: (f, acc, x) => f.get(acc).get(x).op('f64x2.abs').op('f64x2.add') },
  ReduceL2: { ...squares, finish: (f) => f.op('f64x2.sqrt') },
  ReduceMax: { start: -Infinity, step: (f, acc, x) => f.get(acc).get(x).op('f64x2.pmax') },
  ReduceMin: { start: Infinity, step: (f, acc, x) => f.get(acc).get(x).op('f64x2.pmin') },
  ReduceProd: { start: 1, step: (f, acc, x) => f.get(acc).get(x).op('f64x2.mul') },
};

/** Neighbouring axes to one number, folded in float64 in the order of memory, four results at a time. */
export const planReduce: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const input = node.inputs[0] ?? '';
  if (node.domain !== '' || !Object.hasOwn(folds, node.opType)) return undefined;
  if (!isFloat32(context, input) || !isFloat32(context, output)) return undefined;
  const stretches = stretchesOf(node, context);
  if (!stretches || context.layouts.get(output)?.kind !== 'plain') return undefined;
  const fold = folds[node.opType]!;
  return {
    runs: 'wasm',
    operation,
    kernel: `float.${node.opType.toLowerCase()}`,
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: groupsOf(stretches),
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const [group, first, start] = f.locals('i', 3) as [Local, Local, Local];
        const accs = f.locals('v', 2) as [Local, Local];
        const [wide, result] = f.locals('v', 2) as [Local, Local];
        const [initial, count] = [splat64(f, fold.start), splat64(f, stretches.size)];
        f.repeat(group, { start: begin, end, step: 1 }, () => {
          emitGroupStart(f, stretches, { group, first, start });
          f.get(start).get(arena).op('i32.add').set(start);
          for (const acc of accs) f.get(initial).set(acc);
          emitAlong(f, stretches, { start, offset: place.address(input) }, (x) => {
            for (const half of [0, 1] as const) {
              emitWidened(f, x, half);
              f.set(wide);
              fold.step(f, accs[half], wide);
              f.set(accs[half]);
            }
          });
          emitNarrowed(f, accs, () => fold.finish?.(f, count));
          f.set(result).get(first).i32(4).op('i32.mul').get(arena).op('i32.add').set(start);
          emitStoreFloats(f, result, { at: start, offset: place.address(output), count: lanesOf(stretches) });
        });
      }),
  };
};

/** What lies along the reduced axes, where it is one piece of memory for each result: axes of one element do not count. */
function stretchesOf(node: Node, { graph, layouts }: PlanContext): Stretches | undefined {
  const [input = '', axesName = ''] = node.inputs;
  const [value, layout, axes] = [graph.values.get(input), layouts.get(input), graph.constants.get(axesName)];
  if (!value || !layout || axes?.dtype !== 'int64' || axes.data.length === 0) return undefined;
  if (numberAttribute(node, 'noop_with_empty_axes', 0) !== 0) return undefined;
  const { shape } = value;
  const given = Array.from(axes.data, (axis) => (Number(axis) + shape.length) % shape.length);
  const reduced = given.filter((axis) => shape[axis] !== 1).sort((a, b) => a - b);
  const [lowest = shape.length, highest = shape.length - 1] = [reduced[0], reduced.at(-1)];
  if (layout.kind === 'nhwcFloat') return ofImage(reduced, layout);
  const between = shape.slice(lowest, highest + 1).filter((dim) => dim !== 1);
  if (layout.kind !== 'plain' || between.length !== new Set(reduced).size) return undefined;
  const size = elementCount(shape.slice(lowest, highest + 1));
  const count = elementCount(shape) / size;
  return size * count > 0 ? { size, inner: elementCount(shape.slice(highest + 1)), count } : undefined;
}

/** The channels of each pixel, or the pixels of each channel. */
function ofImage(reduced: readonly number[], { channels, height, width }: FloatImage): Stretches | undefined {
  const pixels = height * width;
  if (reduced.join() === '1') return { size: channels, inner: 1, count: pixels };
  const whole = [height > 1 ? 2 : [], width > 1 ? 3 : []].flat();
  return reduced.join() === whole.join() ? { size: pixels, inner: channels, count: channels } : undefined;
}
