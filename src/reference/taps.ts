import { validRange, type Triple, type Window } from './spatial.ts';

/**
 * Where one tap of a kernel reads: runs of outputs that it reaches, as triples (first output, first input, count) of
 * indices in one plane.
 */
export interface Tap {
  /** Input elements from one output of a run to the next. */
  readonly step: number;
  readonly runs: Int32Array;
}

/** The taps of a kernel in the order of its weights; rows that follow each other without a gap become one run. */
export function tapsOf(window: Window): readonly Tap[] {
  const [kernelD, kernelH, kernelW] = window.kernel;
  const taps: Tap[] = [];
  for (let kd = 0; kd < kernelD; kd++)
    for (let kh = 0; kh < kernelH; kh++)
      for (let kw = 0; kw < kernelW; kw++)
        taps.push({ step: window.strides[2], runs: Int32Array.from(runsOf(window, [kd, kh, kw])) });
  return taps;
}

function runsOf(window: Window, tap: Triple): number[] {
  const [, inH, inW] = window.input;
  const [, outH, outW] = window.output;
  const [firstD, endD] = validRange(window, 0, tap[0]);
  const [firstH, endH] = validRange(window, 1, tap[1]);
  const [firstW, endW] = validRange(window, 2, tap[2]);
  const [inD, inRow, inColumn] = [0, 1, 2].map((d) => tap[d]! * window.dilations[d]! - window.padsBegin[d]!);
  const [strideD, strideH, strideW] = window.strides;
  const count = endW - firstW;
  const runs: number[] = [];
  if (count === 0) return runs;
  for (let d = firstD; d < endD; d++) {
    for (let h = firstH; h < endH; h++) {
      const to = (d * outH + h) * outW + firstW;
      const at = ((d * strideD + inD!) * inH + h * strideH + inRow!) * inW + firstW * strideW + inColumn!;
      const [lastTo = 0, lastAt = 0, length = 0] = runs.slice(-3);
      const continues = length > 0 && to === lastTo + length && at === lastAt + length * strideW;
      if (continues) runs[runs.length - 1] = length + count;
      else runs.push(to, at, count);
    }
  }
  return runs;
}
