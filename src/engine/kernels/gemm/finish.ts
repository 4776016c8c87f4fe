import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import type { Placement } from '../../plan/step.ts';
import { emitArithmetic, type Binary } from '../elementwise/arithmetic.ts';
import { emitRequantizer, emitRounding, emitRows, emitScale, type Requantizer } from '../requantize.ts';
import { LANES, placesOf, scratchOf, type Locals, type Product } from './product.ts';

/** What a tile of sums is written to. */
export type Output = Pick<Product, 'outputName' | 'outputStride' | 'residual' | 'otherStride' | 'rounding'>;

/** From a tile of sums to bytes. */
export interface Finish {
  readonly requantizer: Requantizer;
  /** Makes rounded results of the sums; `other` is that of a `Tile`. */
  readonly round: (other: Local) => void;
}

/** Prepares constants once in a function. */
export function emitFinish(
  f: FunctionBuilder,
  output: Output,
  bytes: NonNullable<Product['bytes']>,
  place: Placement,
  { accs, multipliers }: Pick<Locals, 'accs' | 'multipliers'>,
): Finish {
  const { residual, rounding } = output;
  if (residual) return emitResidual(f, output, residual, bytes, place, { accs, multipliers });
  const requantizer = emitRequantizer(f, { ...bytes, rounding });
  return { requantizer, round: () => emitScale(f, accs, multipliers, requantizer) };
}

/** r = clamp(nearestEven(f32(acc) · multiplier), qmin − z, qmax − z), the result less its zero point; then the sum of f32(r) and the other operand. */
function emitResidual(
  f: FunctionBuilder,
  { otherStride }: Output,
  residual: Binary,
  { zeroPoint, clamp }: NonNullable<Product['bytes']>,
  place: Placement,
  { accs, multipliers }: Pick<Locals, 'accs' | 'multipliers'>,
): Finish {
  const arithmetic = emitArithmetic(f, residual);
  const round = emitRounding(f, 'magic');
  const [least, greatest] = f.locals('v', 2) as [Local, Local];
  f.i32(clamp.qmin - zeroPoint)
    .op('i32x4.splat')
    .set(least);
  f.i32(clamp.qmax - zeroPoint)
    .op('i32x4.splat')
    .set(greatest);
  const addend = place.address(residual.small.name);
  return {
    requantizer: arithmetic.requantizer,
    round: (other) => {
      emitScale(f, accs, multipliers, { ...arithmetic.requantizer, round });
      for (const acc of accs) {
        f.get(acc).get(least).op('i32x4.max_s').get(greatest).op('i32x4.min_s');
        f.op('f32x4.convert_i32x4_s').set(acc);
      }
      for (let row = 0; row * LANES < accs.length; row++) {
        const results = arithmetic.scale(accs.slice(row * LANES, (row + 1) * LANES));
        arithmetic.combine(results, arithmetic.small(other, addend + row * otherStride));
      }
    },
  };
}

/** Scales, rounds and narrows the tile, and stores it row by row. */
export function emitStore(
  f: FunctionBuilder,
  product: Product,
  place: Placement,
  locals: Locals,
  finish: Finish,
): void {
  const { outputStride, otherStride } = product;
  const target = locals.row;
  const other = otherStride === outputStride ? target : f.local('i');
  const address = (stride: number, at: Local): void => {
    f.get(locals.block).get(locals.tile).op('i32.add').i32(stride).op('i32.mul');
    f.get(locals.panel).i32(CHANNEL_BLOCK).op('i32.mul').op('i32.add').get(locals.arena).op('i32.add').set(at);
  };
  address(outputStride, target);
  if (other !== target) address(otherStride, other);
  emitTile(f, product, place, { ...locals, target, other, narrow: scratchOf(product).tile }, finish);
}

/** The sums of `rows` neighbouring pixels and the 16 channels of a panel. */
export interface Tile extends Pick<Locals, 'accs' | 'multipliers' | 'channel' | 'panel' | 'scratch'> {
  /** Address of the first pixel's panel: in every value of the output's layout, and of that of a sum's other operand. */
  readonly target: Local;
  readonly other: Local;
  /** Offset in scratch of `rowsScratchBytes`. */
  readonly narrow: number;
}

export function emitTile(
  f: FunctionBuilder,
  output: Output,
  place: Placement,
  { accs, multipliers, channel, panel, scratch, target, other, narrow }: Tile,
  { requantizer, round }: Finish,
): void {
  const [, , multipliersAt] = placesOf(place);
  for (let lane = 0; lane < LANES; lane++) {
    f.get(channel)
      .op('v128.load', { offset: multipliersAt + lane * 16 })
      .set(multipliers[lane]!);
  }
  const capsAt = place.constants[3];
  round(other);
  emitRows(f, accs, requantizer, {
    scratch: { at: scratch, offset: narrow },
    target: (row) => {
      f.get(target);
      return place.address(output.outputName) + row * output.outputStride;
    },
    caps: capsAt === undefined ? undefined : () => emitPanelCaps(f, panel, capsAt),
  });
}

/** Pushes the greatest bytes of a panel's channels. */
function emitPanelCaps(f: FunctionBuilder, panel: Local, capsAt: number): void {
  f.get(panel).i32(CHANNEL_BLOCK).op('i32.mul').op('v128.load', { offset: capsAt });
}

/** y[n] = f32(acc[n]) · multipliers[n] of the one row. */
export function emitStoreFloat(f: FunctionBuilder, product: Product, place: Placement, locals: Locals): void {
  const [, , multipliersAt] = placesOf(place);
  f.get(locals.arena).get(locals.channel).op('i32.add').set(locals.row);
  locals.accs.forEach((acc, lane) => {
    f.get(locals.row).get(acc).op('f32x4.convert_i32x4_s');
    f.get(locals.channel)
      .op('v128.load', { offset: multipliersAt + lane * 16 })
      .op('f32x4.mul');
    f.op('v128.store', { offset: place.address(product.outputName) + lane * 16 });
  });
}
