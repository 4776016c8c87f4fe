import { compile, type Executable, type Tier } from '../engine/index.ts';
import type { FloatExecutor, Graph, QuantizedGraph } from '../graph/index.ts';
import { loadOnnxruntime, openOnnxFile, type OnnxruntimeOptions } from '../onnxruntime/index.ts';
import { runQuantized } from '../reference/index.ts';
import type { TensorMap } from '../tensor/index.ts';

/** Anything that turns network inputs into outputs: what is evaluated and compared. */
export interface Runner {
  /** For reports: `octet (wide)`, `reference`, `onnxruntime`. */
  readonly name: string;
  run(feeds: TensorMap): Promise<TensorMap>;
  close(): Promise<void>;
}

/** The int8 engine. */
export async function engineRunner(graph: QuantizedGraph, tier?: Tier): Promise<Runner> {
  return executableRunner(compile(graph, { tier }));
}

export function executableRunner(executable: Executable): Runner {
  return {
    name: `octet (${executable.tier})`,
    run: async (feeds) => executable.run(feeds),
    close: async () => executable.close(),
  };
}

/** The plain-loop kernels: slow, and the definition of right. */
export function referenceRunner(graph: QuantizedGraph): Runner {
  return { name: 'reference', run: async (feeds) => runQuantized(graph, feeds), close: async () => undefined };
}

/** A float graph on whichever executor is there. */
export async function floatRunner(graph: Graph, executor: FloatExecutor): Promise<Runner> {
  const session = await executor.load(graph, graph.outputs);
  return { name: executor.name, run: (feeds) => session.run(feeds), close: () => session.close() };
}

/** A float graph on one thread, to be timed beside our engine on one thread. */
export async function singleThreadRunner(graph: Graph, executor: FloatExecutor): Promise<Runner> {
  const single = executor.name === 'onnxruntime' ? await loadOnnxruntime({ threads: 1 }) : undefined;
  return floatRunner(graph, single ?? executor);
}

/** A file in onnxruntime as it is. */
export async function onnxFileRunner(bytes: Uint8Array, options: OnnxruntimeOptions = {}): Promise<Runner> {
  const session = await openOnnxFile(bytes, options);
  return { name: 'onnxruntime', run: (feeds) => session.run(feeds), close: () => session.close() };
}
