import type { Peer } from './onnxruntimeNode.ts';

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
    run: (feeds) =>
      session.run(
        Object.fromEntries(
          [...feeds].map(([name, { data, shape }]) => {
            if (data instanceof Float32Array) return [name, new ort.Tensor('float32', data, shape)];
            if (data instanceof Uint8Array) return [name, new ort.Tensor('uint8', data, shape)];
            throw new TypeError(`The bench feeds float32 and uint8 inputs, not ${data.constructor.name}.`);
          }),
        ),
      ),
    close: () => session.release(),
  };
}
