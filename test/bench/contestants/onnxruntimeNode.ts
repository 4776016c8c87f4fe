import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toPeerFeeds, type Peer } from './peer.ts';

export interface NodePeer extends Peer {
  /** The graph that onnxruntime made of the model, as it runs it. */
  readonly optimized: Uint8Array | undefined;
}

/** onnxruntime-node with all graph optimizations and sequential execution. */
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
    run: (feeds) => session.run(toPeerFeeds(ort.Tensor, feeds)),
    close: () => session.release(),
  };
}
