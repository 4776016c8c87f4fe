import { seededRandom } from '../../src/base/index.ts';
import { formatTable } from '../../src/cli/text.ts';
import { dotOfTier, pairs, type DotStrategy } from '../../src/engine/dot.ts';
import { compile, tierReport, zeroFeeds, type Tier } from '../../src/engine/index.ts';
import { compileModule } from '../../src/engine/instantiate.ts';
import type { QuantizedGraph } from '../../src/graph/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { ModuleBuilder, type Local } from '../../src/wasm/index.ts';
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

function convLayer(inChannels: number, outChannels: number, size: number, kernel: number, group = 1): Layer {
  const usual = { regime: 'usual', asymmetric: false, bias: 'moderate' } as const;
  const input = { zeroPoint: 100, random: seededRandom(1) };
  const weights = randomWeights([outChannels, inChannels / group, kernel, kernel], outChannels, usual, input);
  const pad = (kernel - 1) / 2;
  const graph = graphOf(
    [
      {
        ...{ kind: 'conv', name: 'conv', input: 'x', output: 'y', weights, group, clamp: { qmin: 0, qmax: 255 } },
        ...{ strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad] },
      },
    ],
    { x: quantized([1, inChannels, size, size], 100), y: quantized([1, outChannels, size, size], 100) },
    { inputs: ['x'], outputs: ['y'] },
  );
  const what = group === 1 ? `${inChannels} -> ${outChannels}` : `depthwise ${inChannels}`;
  return { name: `${kernel}x${kernel} ${what}, ${size}x${size}`, graph, macs: weights.data.length * size * size };
}

const layers = (): Layer[] => [
  convLayer(256, 256, 28, 1),
  convLayer(16, 96, 112, 1),
  convLayer(64, 64, 56, 3),
  convLayer(96, 96, 112, 3, 96),
  convLayer(240, 240, 14, 5, 240),
];

const { dotSemantics, selfTest } = tierReport();

function formsOf(): Map<string, Form> {
  const forms = new Map<string, Form>([['simd', { tier: 'simd', dot: pairs }]]);
  const fast = dotOfTier('relaxed', dotSemantics);
  if (fast !== pairs) forms.set('relaxed', { tier: 'relaxed', dot: fast });
  if (selfTest.wide !== 'passed') return forms;
  for (const rows of [2, 3, 4, 5, 6]) forms.set(`wide, ${rows} rows`, { tier: 'wide', dot: { ...fast, rows } });
  return forms;
}

/** GMAC/s of a tile of sums in registers: no load but one splat's worth of arithmetic, no store but at the end. */
function dotPeak({ tier, dot }: Form): number {
  const steps = 200_000;
  const pages = { initial: 1, maximum: 1 };
  const sums = dot.rows * 4;
  const module = new ModuleBuilder(pages);
  const entry = module.function(['i'], [], (f) => {
    const accs = f.locals('v', sums);
    const weights = f.locals('v', 4);
    const [activations, one] = f.locals('v', 2) as [Local, Local];
    const counter = f.local('i');
    f.i32(1).op('i8x16.splat').set(one);
    weights.forEach((weight, lane) =>
      f
        .get(f.parameter(0))
        .op('v128.load', { offset: lane * 16 })
        .set(weight),
    );
    f.repeat(counter, { start: 0, end: steps, step: 1 }, () => {
      f.get(counter).op('i32x4.splat').set(activations);
      accs.forEach((acc, index) => dot.emit(f, { acc, activations, weights: weights[index % 4]! }));
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
  let best = Infinity;
  for (let round = 0; round < rounds; round++)
    best = Math.min(
      best,
      timed(() => run(0)),
    );
  return (steps * sums * 4 * dot.group) / best / 1e6;
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
 * from registers alone. Forms take turns; the best of all rounds counts.
 */
export function kernelTable(): string {
  const forms = formsOf();
  const peaks = ['dot product in registers', '', ...[...forms.values()].map((form) => dotPeak(form).toFixed(1))];
  const rows = layers().map((layer) => rowOf(layer, forms));
  return [
    `GMAC/s, one thread; the relaxed dot is ${dotSemantics} here, products are ${dotOfTier('wide', dotSemantics).name}`,
    formatTable([['layer', 'plain loops', ...forms.keys()], ...rows, peaks]),
  ].join('\n');
}

if (import.meta.main) console.log(kernelTable());
