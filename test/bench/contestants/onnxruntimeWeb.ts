import { toPeerFeeds, type Peer } from './peer.ts';

/** onnxruntime-web on its WebAssembly backend: the portable peer, the same file, the same process. */
export async function openOnnxruntimeWeb(model: Uint8Array, options: { threads: number }): Promise<Peer> {
  const ort = await import('onnxruntime-web/wasm');
  ort.env.wasm.numThreads = options.threads;
  ort.env.logLevel = 'error';
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
  return {
    runtime: `onnxruntime-web ${ort.env.versions.web ?? ort.env.versions.common}`,
    options: `wasm, numThreads ${options.threads}, optimizations all`,
    run: (feeds) => session.run(toPeerFeeds(ort.Tensor, feeds)),
    close: () => session.release(),
  };
}
