import type { FunctionBuilder } from '../../../wasm/index.ts';
import { LANES, type Locals, type Product } from './product.ts';

/** Groups of K up to which a sum has no loop. */
const WHOLE = 16;

/** acc[rows][16] += Σ over K, from rows at `row` and weights at `firstWeight`. */
export function emitSums(f: FunctionBuilder, product: Product, locals: Locals): void {
  const { dot, depth, rowBytes, widening } = product;
  const groups = depth / dot.group;
  const { row, weight, counter } = locals;
  f.get(locals.firstWeight).set(weight);
  const unroll = groups <= WHOLE ? groups : ([4, 3, 5, 2].find((count) => groups % count === 0) ?? 1);
  const load = widening === 'onLoad' ? 'v128.load8x8_s' : 'v128.load';
  f.repeat(counter, { start: 0, end: groups, step: unroll }, () => {
    for (let step = 0; step < unroll; step++) emitGroup(f, product, locals, { step, row, rowBytes, load });
    f.get(row)
      .i32(4 * unroll)
      .op('i32.add')
      .set(row);
    f.get(weight)
      .i32(LANES * VECTOR_BYTES[load] * unroll)
      .op('i32.add')
      .set(weight);
  });
}

const VECTOR_BYTES = { 'v128.load': 16, 'v128.load8x8_s': 8 };

interface GroupPlace {
  /** Of the group, counted from `row` and `weight`. */
  readonly step: number;
  readonly row: Locals['row'];
  /** Of the group in the first row, where it is not that of the step. */
  readonly offset?: number;
  readonly rowBytes: number;
  readonly load?: keyof typeof VECTOR_BYTES;
}

/** acc[rows][16] += one group of K. */
export function emitGroup(
  f: FunctionBuilder,
  { rows }: Pick<Product, 'rows'>,
  { accs, weights, weight, splat, emitDot }: Pick<Locals, 'accs' | 'weights' | 'weight' | 'splat' | 'emitDot'>,
  { step, row, offset = step * 4, rowBytes, load = 'v128.load' }: GroupPlace,
): void {
  for (let lane = 0; lane < LANES; lane++)
    f.get(weight)
      .op(load, { offset: (step * LANES + lane) * VECTOR_BYTES[load] })
      .set(weights[lane]!);
  for (let r = 0; r < rows; r++) {
    f.get(row)
      .op('v128.load32_splat', { offset: r * rowBytes + offset })
      .set(splat);
    for (let lane = 0; lane < LANES; lane++)
      emitDot({ acc: accs[r * LANES + lane]!, activations: splat, weights: weights[lane]! });
  }
}
