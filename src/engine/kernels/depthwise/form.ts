import type { ConvOperation } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { NhwcLayout } from '../../plan/layout.ts';
import type { Placement, StepParameters } from '../../plan/step.ts';
import type { Rounding } from '../requantize.ts';

/** One depthwise convolution, as its forms see it. */
export interface Depthwise {
  readonly operation: ConvOperation;
  readonly input: NhwcLayout;
  readonly output: NhwcLayout;
  readonly inputZeroPoint: number;
  /** Of the output. */
  readonly zeroPoint: number;
  readonly rounding: Rounding;
  /** Address of what the form reads. */
  readonly source: Local;
  /** Constants: weights, bias and multipliers of every stored channel. */
  readonly place: Placement;
  readonly parameters: StepParameters;
  /** Offset of the form's own bytes in scratch. */
  readonly scratch: number;
}

/** The two taps of a pair by their place in the filter; undefined meets a weight of 0. */
export type Term = readonly [number | undefined, number | undefined];

/** One way to compute it. Weights are packed as [channels / block][terms][block][2] int16. */
export interface DepthwiseForm {
  readonly name: string;
  /** Channels of a block. */
  readonly channels: number;
  readonly reads: 'input' | 'padded input';
  scratchBytes(layouts: Pick<Depthwise, 'input'>): number;
  terms(operation: ConvOperation): readonly Term[];
  emit(f: FunctionBuilder, depthwise: Depthwise): void;
}
