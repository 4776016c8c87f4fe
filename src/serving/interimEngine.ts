import type { Executable, Tier, TierReport } from '../engine/index.ts';
import type { QuantizedGraph } from '../graph/index.ts';
import { runQuantized } from '../reference/index.ts';
import { tensor, type Tensor, type TensorMap } from '../tensor/index.ts';

/** The reference tier behind the engine's door, until that room has one. */
export async function compile(graph: QuantizedGraph, _options: { tier?: Tier } = {}): Promise<Executable> {
  return {
    tier: 'reference',
    kernels: new Map(graph.operations.map(({ name }) => [name, 'reference'])),
    memoryBytes: 0,
    run: (feeds) => runBatch(graph, feeds),
    profile: () => [],
    close: () => undefined,
  };
}

function runBatch(graph: QuantizedGraph, feeds: TensorMap): TensorMap {
  const [first] = feeds.values();
  const batch = first?.shape[0] ?? 1;
  const samples = Array.from({ length: batch }, (_, i) => {
    const one = new Map<string, Tensor>();
    for (const [name, value] of feeds) {
      const size = value.data.length / batch;
      const data = value.data.slice(i * size, (i + 1) * size);
      one.set(name, { ...value, shape: [1, ...value.shape.slice(1)], data } as Tensor);
    }
    return runQuantized(graph, one);
  });
  if (batch === 1) return samples[0] ?? new Map();
  const outputs = new Map<string, Tensor>();
  for (const name of graph.outputs) {
    const parts = samples.map((sample) => sample.get(name));
    const [head] = parts;
    if (head === undefined) continue;
    const whole = tensor(head.dtype, [batch, ...head.shape.slice(1)]);
    parts.forEach((part, i) => {
      if (part !== undefined) (whole.data as Float32Array).set(part.data as Float32Array, i * head.data.length);
    });
    outputs.set(name, whole as Tensor);
  }
  return outputs;
}

export function tierReport(): TierReport {
  return {
    tier: 'reference',
    reason: 'The compiler is not there yet.',
    dotSemantics: 'unavailable',
    selfTest: { reference: 'passed', simd: 'notRun', relaxed: 'notRun', wide: 'notRun' },
  };
}

export function renderReport(report: unknown): string {
  return `<!doctype html><title>Report</title><pre>${JSON.stringify(report, null, 2).replaceAll('<', '&lt;')}</pre>`;
}
