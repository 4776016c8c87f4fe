import { numberAttribute } from '../../../graph/index.ts';
import { elementCount, type Tensor } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type Placement, type StepParameters } from '../../plan/step.ts';
import { bytesOf } from '../requantize.ts';
import { splat64 } from './vectorFunction.ts';
import { emitAlong, emitGroupStart, groupsOf, lanesOf, type Stretches } from './lanes.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitAddWide, emitNarrowed, emitStoreFloats, emitWidened, LANES } from './vectors.ts';

/** y = (x − mean) / √(var + epsilon) · gamma + beta over the dimensions from `axis` on, in float64. */
export const planLayerNormalization: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const [input = '', gammaName = '', betaName = ''] = node.inputs;
  if (node.domain !== '' || node.opType !== 'LayerNormalization' || operation.outputs.length > 1) return undefined;
  const value = context.graph.values.get(input);
  if (!value || ![input, output].every((name) => isFloat32(context, name) && isPlain(context.layouts.get(name))))
    return undefined;
  const axis = numberAttribute(node, 'axis', -1);
  const size = elementCount(value.shape.slice(axis));
  const gamma = context.graph.constants.get(gammaName);
  const beta = betaName === '' ? undefined : context.graph.constants.get(betaName);
  if (!gamma || (betaName !== '' && !beta) || size === 0) return undefined;
  const stretches = { size, inner: 1, count: elementCount(value.shape) / size };
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.layernormalization',
    macs: 0,
    constants: [spread(gamma, size), spread(beta, size)],
    scratchBytes: 0,
    units: groupsOf(stretches),
    emit: (module, place) =>
      stepFunction(module, (f, parameters) =>
        emitLayerNormalization(f, { stretches, epsilon, input, output }, place, parameters),
      ),
  };
};

const isPlain = (layout: { readonly kind: string } | undefined): boolean => layout?.kind === 'plain';

/** `size` numbers in float64, those of the tensor over and over, or zeros, with room for a whole vector at the end. */
function spread(numbers: Tensor | undefined, size: number): Uint8Array {
  const data = Float64Array.from<number | bigint>(numbers?.data ?? [0], Number);
  const result = new Float64Array(Math.ceil(size / LANES) * LANES);
  for (let at = 0; at < size; at++) result[at] = data[at % data.length]!;
  return bytesOf(result);
}

interface Normalization {
  readonly stretches: Stretches;
  readonly epsilon: number;
  readonly input: string;
  readonly output: string;
}

/**
 * for each four rows, a lane each:
 *   mean = Σ x / size;  variance = Σ (x − mean)² / size;  factor = 1 / √(variance + epsilon)
 *   for each of them, four elements a vector: y = (x − mean) · factor · gamma + beta
 */
function emitLayerNormalization(
  f: FunctionBuilder,
  { stretches, epsilon, input, output }: Normalization,
  place: Placement,
  { arena, begin, end }: StepParameters,
): void {
  const { size } = stretches;
  const [group, first, start] = f.locals('i', 3) as [Local, Local, Local];
  const pair = (): [Local, Local] => f.locals('v', 2) as [Local, Local];
  const [mean, factor, wide] = [pair(), pair(), pair()];
  const [count, shift, one] = [size, epsilon, 1].map((value) => splat64(f, value)) as [Local, Local, Local];
  const rows = { start, offset: place.address(input) };
  const halves = [0, 1] as const;
  f.repeat(group, { start: begin, end, step: 1 }, () => {
    emitGroupStart(f, stretches, { group, first, start });
    f.get(start).get(arena).op('i32.add').set(start);
    for (const sum of [...mean, ...factor]) f.v128(new Uint8Array(16)).set(sum);
    emitAlong(f, stretches, rows, (x) => emitAddWide(f, x, mean));
    for (const half of halves) f.get(mean[half]).get(count).op('f64x2.div').set(mean[half]);
    emitAlong(f, stretches, rows, (x) => {
      for (const half of halves) {
        emitWidened(f, x, half);
        f.get(mean[half]).op('f64x2.sub').set(wide[half]);
        f.get(factor[half]).get(wide[half]).get(wide[half]).op('f64x2.mul').op('f64x2.add').set(factor[half]);
      }
    });
    for (const half of halves) {
      f.get(one).get(factor[half]).get(count).op('f64x2.div').get(shift).op('f64x2.add');
      f.op('f64x2.sqrt').op('f64x2.div').set(factor[half]);
    }
    for (let lane = 0; lane < lanesOf(stretches); lane++) {
      const [half, at] = [lane < 2 ? 0 : 1, lane % 2] as const;
      const row = { mean: laneOf(f, mean[half], at), factor: laneOf(f, factor[half], at) };
      emitRow(f, { start, skip: lane * size * 4, size, ...row }, { input, output }, place);
    }
  });
}

/** One lane of two, in both. */
function laneOf(f: FunctionBuilder, pair: Local, lane: number): Local {
  const both = f.local('v');
  f.get(pair).op('f64x2.extract_lane', { lane }).op('f64x2.splat').set(both);
  return both;
}

interface Row {
  readonly start: Local;
  /** Bytes from the start. */
  readonly skip: number;
  readonly size: number;
  readonly mean: Local;
  readonly factor: Local;
}

/** for each vector of a row: y = (x − mean) · factor · gamma + beta */
function emitRow(
  f: FunctionBuilder,
  { start, skip, size, mean, factor }: Row,
  { input, output }: Pick<Normalization, 'input' | 'output'>,
  place: Placement,
): void {
  const [gamma = 0, beta = 0] = place.constants;
  const [at, table, k] = f.locals('i', 3) as [Local, Local, Local];
  const x = f.local('v');
  const wide = f.locals('v', 2) as [Local, Local];
  const vector = (count: number): void => {
    f.get(at)
      .op('v128.load', { offset: place.address(input) + skip })
      .set(x);
    for (const half of [0, 1] as const) {
      emitWidened(f, x, half);
      f.get(mean).op('f64x2.sub').get(factor).op('f64x2.mul');
      f.get(table)
        .op('v128.load', { offset: gamma + half * 16 })
        .op('f64x2.mul');
      f.get(table)
        .op('v128.load', { offset: beta + half * 16 })
        .op('f64x2.add')
        .set(wide[half]);
    }
    emitNarrowed(f, wide);
    f.set(x);
    emitStoreFloats(f, x, { at, offset: place.address(output) + skip, count });
  };
  f.get(start).set(at).i32(0).set(table);
  const whole = Math.floor(size / LANES);
  if (whole > 0)
    f.repeat(k, { start: 0, end: whole, step: 1 }, () => {
      vector(LANES);
      f.get(at)
        .i32(LANES * 4)
        .op('i32.add')
        .set(at);
      f.get(table)
        .i32(LANES * 8)
        .op('i32.add')
        .set(table);
    });
  if (size % LANES > 0) vector(size % LANES);
}
