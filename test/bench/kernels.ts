import { seededRandom } from '../../src/base/index.ts';
import { formatTable } from '../../src/cli/text.ts';
import { dotOfTier, pairs, type DotStrategy } from '../../src/engine/dot.ts';
import { compile, tierReport, zeroFeeds, type Tier } from '../../src/engine/index.ts';
import { compileModule } from '../../src/engine/instantiate.ts';
import type { QuantizedGraph } from '../../src/graph/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { ModuleBuilder } from '../../src/wasm/index.ts';
import { graphOf, quantized } from '../suites/problem.ts';
import { randomWeights } from '../suites/weights.ts';

/** Turns of each form. */
const rounds = 60;

interface Layer {
  readonly name: string;
  readonly graph: QuantizedGraph;
  readonly macs: number;
}

interface Form {
  readonly tier: Exclude<Tier, 'reference'>;
  readonly dot: DotStrategy;
}

interface Weights {
  readonly group?: number;
  /** Uniform, or normal as trained ones: such have an order of K in which bytes may be summed in int16. */
  readonly bits?: 7 | 8 | 'normal';
  /** With 2, a 3x3 convolution has as much to do, but runs as a matrix product. */
  readonly dilation?: 1 | 2;
}

function convLayer(
  inChannels: number,
  outChannels: number,
  size: number,
  kernel: number,
  { group = 1, bits = 8, dilation = 1 }: Weights = {},
): Layer {
  const usual = { regime: 'usual', asymmetric: false, bits, bias: 'moderate' } as const;
  const input = { zeroPoint: 100, random: seededRandom(1) };
  const weights = randomWeights([outChannels, inChannels / group, kernel, kernel], outChannels, usual, input);
  const pad = ((kernel - 1) / 2) * dilation;
  const graph = graphOf(
    [
      {
        ...{ kind: 'conv', name: 'conv', input: 'x', output: 'y', weights, group, clamp: { qmin: 0, qmax: 255 } },
        ...{ strides: [1, 1], dilations: [dilation, dilation], pads: [pad, pad, pad, pad] },
      },
    ],
    { x: quantized([1, inChannels, size, size], 100), y: quantized([1, outChannels, size, size], 100) },
    { inputs: ['x'], outputs: ['y'] },
  );
  const what = group === 1 ? `${inChannels} -> ${outChannels}` : `depthwise ${inChannels}`;
  const apart = dilation === 1 ? '' : ', dilated';
  const spread = bits === 8 ? '' : bits === 7 ? ', 7-bit weights' : ', normal weights';
  const name = `${kernel}x${kernel} ${what}, ${size}x${size}${apart}${spread}`;
  return { name, graph, macs: weights.data.length * size * size };
}

const layers = (): Layer[] => [
  convLayer(256, 256, 28, 1),
  convLayer(256, 256, 28, 1, { bits: 'normal' }),
  convLayer(256, 256, 28, 1, { bits: 7 }),
  convLayer(16, 96, 112, 1),
  convLayer(16, 96, 112, 1, { bits: 7 }),
  convLayer(64, 64, 56, 3),
  convLayer(64, 64, 56, 3, { dilation: 2 }),
  convLayer(64, 64, 56, 3, { dilation: 2, bits: 'normal' }),
  convLayer(64, 64, 56, 3, { dilation: 2, bits: 7 }),
  convLayer(96, 96, 112, 3, { group: 96 }),
  convLayer(240, 240, 14, 5, { group: 240 }),
];

const { dotSemantics, selfTest } = tierReport();

function withRows(dot: DotStrategy, rows: number): DotStrategy {
  const { forSmallWeights } = dot;
  const tile = { rows: [rows, rows] } as const;
  return { ...dot, ...tile, ...(forSmallWeights && { forSmallWeights: { ...forSmallWeights, ...tile } }) };
}

function formsOf(): Map<string, Form> {
  const forms = new Map<string, Form>([['simd', { tier: 'simd', dot: pairs }]]);
  const fast = dotOfTier('relaxed', dotSemantics);
  if (fast !== pairs) forms.set('relaxed', { tier: 'relaxed', dot: fast });
  if (selfTest.wide !== 'passed') return forms;
  for (const rows of [2, 3, 4, 5, 6]) forms.set(`wide, ${rows} rows`, { tier: 'wide', dot: withRows(fast, rows) });
  return forms;
}

/** Splats that a row of the peak's tile reads, one after the other: all rows stay in the first cache. */
const PEAK_ROW_BYTES = 4096;

/** Not a multiple of 4096: such addresses disturb each other in the first cache. */
const PEAK_ROW_STRIDE = PEAK_ROW_BYTES + 64;

/**
 * GMAC/s of a tile of sums in registers: its arithmetic, a splat a row, no store but at the end. Each row reads splats of its own,
 * else V8 would compute one product for all rows.
 */
function dotPeak({ tier, dot }: Form): number {
  const pages = { initial: 1, maximum: 1 };
  const sums = dot.rows[0] * 4;
  const module = new ModuleBuilder(pages);
  const entry = module.function(['i'], [], (f) => {
    const accs = f.locals('v', sums);
    const weights = f.locals('v', 4);
    const [activations, counter] = [f.local('v'), f.local('i')];
    const emitDot = dot.prepare(f);
    weights.forEach((weight, lane) =>
      f
        .get(f.parameter(0))
        .op('v128.load', { offset: lane * 16 })
        .set(weight),
    );
    f.repeat(counter, { start: 0, end: PEAK_ROW_BYTES, step: 4 }, () => {
      accs.forEach((acc, index) => {
        const row = Math.floor(index / 4);
        if (index % 4 === 0)
          f.get(counter)
            .op('v128.load32_splat', { offset: row * PEAK_ROW_STRIDE })
            .set(activations);
        emitDot({ acc, activations, weights: weights[index % 4]! });
      });
    });
    accs.forEach((acc, index) =>
      f
        .get(f.parameter(0))
        .get(acc)
        .op('v128.store', { offset: 64 + index * 16 }),
    );
  });
  module.export('peak', entry);
  const compiled = compileModule({ moduleBytes: module.bytes() }, tier);
  const memory = new WebAssembly.Memory({ ...pages, shared: true });
  const run = new WebAssembly.Instance(compiled, { env: { memory } }).exports['peak'] as (at: number) => void;
  const turns = 20;
  let best = Infinity;
  for (let round = 0; round < rounds; round++)
    best = Math.min(
      best,
      timed(() => {
        for (let turn = 0; turn < turns; turn++) run(0);
      }),
    );
  return (turns * (PEAK_ROW_BYTES / 4) * sums * 4 * dot.group) / best / 1e6;
}

/** One row; a second one where another arithmetic takes small weights. */
function peakRows(forms: ReadonlyMap<string, Form>): string[][] {
  const row = (name: string, dotOf: (form: Form) => DotStrategy | undefined): string[] => {
    const cells = [...forms.values()].map((form) => {
      const dot = dotOf(form);
      return dot ? dotPeak({ ...form, dot }).toFixed(1) : '';
    });
    return [name, '', ...cells];
  };
  const rows = [row('dot product in registers', ({ dot }) => dot)];
  if ([...forms.values()].some(({ dot }) => dot.forSmallWeights))
    rows.push(row('the same, 7-bit weights', ({ dot }) => dot.forSmallWeights));
  return rows;
}

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function rowOf({ name, graph, macs }: Layer, forms: ReadonlyMap<string, Form>): string[] {
  const feeds = zeroFeeds(graph);
  const executables = [...forms.values()].map((form) => compile(graph, form));
  const best = executables.map(() => Infinity);
  for (let round = 0; round < rounds; round++)
    executables.forEach((executable, index) => {
      best[index] = Math.min(best[index]!, executable.profile(feeds)[0]?.ms ?? NaN);
    });
  const plain = Math.min(...[0, 1].map(() => timed(() => runQuantized(graph, feeds))));
  return [name, ...[plain, ...best].map((ms) => (macs / ms / 1e6).toFixed(1))];
}

/**
 * GMAC/s of single convolutions, one thread, in every form that this machine runs, beside the most that its dot product gives
 * from registers alone; Winograd's products are counted as those of the plain convolution. Forms take turns; the best of all rounds counts.
 */
export function kernelTable(): string {
  const forms = formsOf();
  const peaks = peakRows(forms);
  const rows = layers().map((layer) => rowOf(layer, forms));
  const { name, forSmallWeights } = dotOfTier('wide', dotSemantics);
  const products = forSmallWeights ? `${name}, or ${forSmallWeights.name} where that is exact` : name;
  return [
    `GMAC/s, one thread; the relaxed dot is ${dotSemantics} here, products are ${products}`,
    formatTable([['layer', 'plain loops', ...forms.keys()], ...rows, ...peaks]),
  ].join('\n');
}
