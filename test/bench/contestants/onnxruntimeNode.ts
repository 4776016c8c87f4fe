import { rm, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '../../../src/tensor/index.ts';

export interface Peer {
  readonly runtime: string;
  /** The options that the runtime was given, for the printed table. */
  readonly options: string;
  run(feeds: ReadonlyMap<string, Tensor>): Promise<unknown>;
  close(): Promise<void>;
}

/** The bytes of the graph that onnxruntime made of a model, as it runs it. */
export interface NodePeer extends Peer {
  readonly optimized: Uint8Array | undefined;
}

/** onnxruntime-node, all graph optimizations, sequential execution, no spinning threads beyond its own pool. */
export async function openOnnxruntimeNode(
  model: Uint8Array,
  options: { threads: number; keepOptimized?: true },
): Promise<NodePeer> {
  const ort = await import('onnxruntime-node');
  const folder = options.keepOptimized ? await mkdtemp(join(tmpdir(), 'octet-bench-')) : undefined;
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    ...(folder === undefined ? {} : { optimizedModelFilePath: join(folder, 'optimized.onnx') }),
    logSeverityLevel: 3,
  });
  const optimized = folder === undefined ? undefined : await readFile(join(folder, 'optimized.onnx'));
  if (folder !== undefined) await rm(folder, { recursive: true });
  return {
    runtime: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    options: `intraOpNumThreads ${options.threads}, interOpNumThreads 1, sequential, optimizations all`,
    optimized,
    run: (feeds) =>
      session.run(Object.fromEntries([...feeds].map(([name, { data, shape }]) => [name, ortTensor(ort, data, shape)]))),
    close: () => session.release(),
  };
}

type Runtime = typeof import('onnxruntime-node');

function ortTensor(ort: Runtime, data: Tensor['data'], shape: readonly number[]) {
  if (data instanceof Float32Array) return new ort.Tensor('float32', data, shape);
  if (data instanceof Uint8Array) return new ort.Tensor('uint8', data, shape);
  throw new TypeError(`The bench feeds float32 and uint8 inputs, not ${data.constructor.name}.`);
}
