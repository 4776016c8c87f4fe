import { seededRandom } from '../base/index.ts';
import type { ConvOperation, Operation, QuantizedGraph, QuantizedValue } from '../graph/index.ts';
import { runQuantized } from '../reference/index.ts';
import { tensor } from '../tensor/index.ts';
import { dotOfTier } from './dot.ts';
import { instantiate } from './instantiate.ts';
import { wideSpeedup } from './mergeProbe.ts';
import { planNetwork } from './plan/plan.ts';
import { probeDotSemantics } from './probe.ts';
import { tiers, type DotSemantics, type Tier, type TierReport } from './tier.ts';

/** Merging doubles the arithmetic; below this it did not take place. */
const LEAST_SPEEDUP = 1.2;

/** How fast V8's 256-bit code is beside its 128-bit code: only told where wide was to be tried. */
interface Findings extends Pick<TierReport, 'dotSemantics' | 'selfTest'> {
  readonly speedup: number | undefined;
}

const reports = new Map<Tier | undefined, TierReport>();

/**
 * Which tier this process uses and why: the fastest whose kernels gave the reference's bits in the self-test. Made once.
 *
 * @param asked no faster one than this; where the machine does not have it, the next slower
 */
export function tierReport(asked?: Tier): TierReport {
  const known = reports.get(asked);
  if (known) return known;
  const report = findTier(asked);
  reports.set(asked, report);
  return report;
}

function findTier(asked: Tier | undefined): TierReport {
  const candidates = tiers.slice(0, asked === undefined ? tiers.length : tiers.indexOf(asked) + 1);
  const dotSemantics = probeDotSemantics();
  const selfTest: Record<Tier, TierReport['selfTest'][Tier]> = {
    reference: 'passed',
    simd: 'notRun',
    relaxed: 'notRun',
    wide: 'notRun',
  };
  if (!isExact(dotSemantics)) selfTest.relaxed = 'unavailable';
  const speedup = candidates.includes('wide') ? wideSpeedup() : undefined;
  if (speedup !== undefined && speedup < LEAST_SPEEDUP) selfTest.wide = 'unavailable';
  const found = candidates.findLast((tier) => {
    if (tier === 'reference' || selfTest[tier] === 'unavailable') return tier === 'reference';
    selfTest[tier] = passes(tier, dotSemantics) ? 'passed' : 'failed';
    return selfTest[tier] === 'passed';
  });
  const tier = found ?? 'reference';
  return { tier, reason: reasonFor(tier, asked, { dotSemantics, selfTest, speedup }), dotSemantics, selfTest };
}

const isExact = (semantics: DotSemantics): boolean => semantics === 'unsigned' || semantics === 'signed';

function reasonFor(tier: Tier, asked: Tier | undefined, findings: Findings): string {
  const { selfTest, speedup } = findings;
  const failed = tiers.filter((other) => selfTest[other] === 'failed');
  const sentences = [
    asked === undefined ? '' : `The ${asked} tier was asked for${asked === tier ? '' : ', but cannot run here'}.`,
    tier === 'reference' && asked === tier ? 'The plain kernels need nothing of the machine.' : gave(tier, findings),
    failed.length > 0 ? `The self-test of ${failed.join(', ')} failed.` : '',
    speedup !== undefined && selfTest.wide === 'unavailable'
      ? `V8 does not merge to 256 bits here (${speedup.toFixed(1)} times the speed of 128 bits).`
      : '',
  ];
  return sentences.filter((sentence) => sentence !== '').join(' ');
}

/** What the self-test of the tier showed, and how it sums products. */
function gave(tier: Tier, { dotSemantics, speedup }: Findings): string {
  if (tier === 'reference') return 'No WebAssembly tier passed its self-test.';
  const found = `the relaxed dot product is ${isExact(dotSemantics) ? `exact here (${dotSemantics})` : `${dotSemantics} here`}`;
  const dot = `${found}, ${usedProducts(tier, dotSemantics)}`;
  const times = tier === 'wide' && speedup !== undefined ? ` at ${speedup.toFixed(1)} times the speed of 128 bits` : '';
  return `The ${tier === 'wide' ? '256-bit' : tier} kernels gave the reference's bits${times}; ${dot}.`;
}

function usedProducts(tier: Tier, semantics: DotSemantics): string {
  if (tier !== 'simd' && isExact(semantics)) return 'and sums products of bytes';
  if (tier !== 'simd' && semantics === 'saturating') return 'so bytes are summed where that is exact, else int16 pairs';
  return 'and products are summed as int16 pairs';
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
