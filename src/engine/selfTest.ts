import { seededRandom } from '../base/index.ts';
import type { ConvOperation, Operation, QuantizedGraph, QuantizedValue } from '../graph/index.ts';
import { runQuantized } from '../reference/index.ts';
import { tensor } from '../tensor/index.ts';
import { dotOfTier } from './dot.ts';
import { instantiate } from './instantiate.ts';
import { wideSpeedup } from './mergeProbe.ts';
import { planNetwork } from './plan/plan.ts';
import { probeDotSemantics } from './probe.ts';
import type { DotSemantics, Tier, TierReport } from './tier.ts';

/** Merging doubles the arithmetic; below this it did not take place. */
const LEAST_SPEEDUP = 1.2;

let report: TierReport | undefined;

/**
 * Which tier this process uses and why: the fastest whose kernels gave the reference's bits in the self-test. Made once.
 */
export function tierReport(): TierReport {
  report ??= findTier();
  return report;
}

function findTier(): TierReport {
  const dotSemantics = probeDotSemantics();
  const selfTest: Record<Tier, TierReport['selfTest'][Tier]> = {
    reference: 'passed',
    simd: 'notRun',
    relaxed: 'notRun',
    wide: 'notRun',
  };
  if (dotSemantics !== 'unsigned' && dotSemantics !== 'signed') selfTest.relaxed = 'unavailable';
  const speedup = wideSpeedup();
  if (speedup < LEAST_SPEEDUP) selfTest.wide = 'unavailable';
  for (const tier of ['wide', 'relaxed', 'simd'] as const) {
    if (selfTest[tier] === 'unavailable') continue;
    selfTest[tier] = passes(tier, dotSemantics) ? 'passed' : 'failed';
    if (selfTest[tier] !== 'passed') continue;
    return { tier, reason: reasonFor(tier, { dotSemantics, selfTest, speedup }), dotSemantics, selfTest };
  }
  const reason = reasonFor('reference', { dotSemantics, selfTest, speedup });
  return { tier: 'reference', reason, dotSemantics, selfTest };
}

function reasonFor(
  tier: Tier,
  {
    dotSemantics: semantics,
    selfTest,
    speedup,
  }: Pick<TierReport, 'dotSemantics' | 'selfTest'> & { readonly speedup: number },
): string {
  const exact = semantics === 'unsigned' || semantics === 'signed';
  const dot = exact
    ? `the relaxed dot product is exact here (${semantics})`
    : `the relaxed dot product is ${semantics} here, so products are summed as int16 pairs`;
  const failed = (Object.keys(selfTest) as Tier[]).filter((other) => selfTest[other] === 'failed');
  const lost = failed.length > 0 ? ` The self-test of ${failed.join(', ')} failed.` : '';
  if (tier === 'reference') return `No WebAssembly tier passed its self-test.${lost}`;
  const times = `${speedup.toFixed(1)} times the speed of 128 bits`;
  if (tier === 'wide') return `The 256-bit kernels gave the reference's bits at ${times}; ${dot}.`;
  const narrow = selfTest.wide === 'unavailable' ? ` V8 does not merge to 256 bits here (${times}).` : '';
  return `The ${tier} kernels gave the reference's bits; ${dot}.${lost}${narrow}`;
}

/** A small network through every kind of vector code, on random bytes, against the reference. */
function passes(tier: Exclude<Tier, 'reference'>, semantics: DotSemantics): boolean {
  try {
    const graph = selfTestGraph();
    const random = seededRandom(7);
    const input = tensor(
      'uint8',
      [1, 24, 9, 9],
      Uint8Array.from({ length: 24 * 81 }, () => Math.floor(random() * 256)),
    );
    const feeds = new Map([['x', input]]);
    const executable = instantiate(planNetwork(graph, dotOfTier(tier, semantics)), tier);
    const expected = runQuantized(graph, feeds);
    return [...executable.run(feeds)].every(([name, value]) => {
      const wanted = expected.get(name);
      return wanted !== undefined && value.data.every((byte, index) => byte === wanted.data[index]);
    });
  } catch {
    return false;
  }
}

const quantized = (shape: readonly number[], zeroPoint: number): QuantizedValue => ({
  kind: 'quantized',
  shape,
  scale: Math.fround(0.02),
  zeroPoint,
  storedAs: 'uint8',
});

function selfTestGraph(): QuantizedGraph {
  const random = seededRandom(3);
  const conv = (name: string, input: string, shape: readonly number[], group: number, pad: number): ConvOperation => ({
    kind: 'conv',
    name,
    input,
    output: name,
    weights: {
      shape,
      data: Int8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.floor(random() * 255) - 127),
      zeroPoints: new Int32Array(shape[0] ?? 1),
      scales: new Float32Array(shape[0] ?? 1).fill(0.01),
      bias: Int32Array.from({ length: shape[0] ?? 1 }, () => Math.floor(random() * 20_000) - 10_000),
      multipliers: Float32Array.from({ length: shape[0] ?? 1 }, () => Math.fround(0.0005 + random() * 0.01)),
    },
    strides: [1, 1],
    pads: [pad, pad, pad, pad],
    dilations: [1, 1],
    group,
    clamp: { qmin: 3, qmax: 250 },
  });
  const operations: Operation[] = [
    conv('expand', 'x', [40, 24, 1, 1], 1, 0),
    conv('spatial', 'expand', [40, 1, 3, 3], 40, 1),
    conv('project', 'spatial', [24, 40, 3, 3], 1, 1),
    { kind: 'add', name: 'sum', inputs: ['project', 'x'], output: 'sum', clamp: { qmin: 0, qmax: 255 } },
  ];
  return {
    name: 'self-test',
    inputs: ['x'],
    outputs: ['sum'],
    operations,
    values: new Map([
      ['x', quantized([1, 24, 9, 9], 131)],
      ['expand', quantized([1, 40, 9, 9], 7)],
      ['spatial', quantized([1, 40, 9, 9], 120)],
      ['project', quantized([1, 24, 9, 9], 99)],
      ['sum', quantized([1, 24, 9, 9], 128)],
    ]),
    constants: new Map(),
  };
}
