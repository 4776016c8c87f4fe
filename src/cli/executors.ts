import { AppError } from '../base/index.ts';
import type { FloatExecutor } from '../graph/index.ts';
import { engineRunner, floatRunner, onnxFileRunner, referenceRunner, type Runner } from '../lab/index.ts';
import { loadOnnxruntime } from '../onnxruntime/index.ts';
import { referenceExecutor } from '../reference/index.ts';
import { lowerQdq } from '../transform/index.ts';
import type { Network } from './network.ts';

export const executors = ['octet', 'reference', 'onnxruntime'] as const;
export type ExecutorName = (typeof executors)[number];

/** onnxruntime where it is installed, else the reference kernels. */
export async function bestFloatExecutor(): Promise<FloatExecutor> {
  return (await loadOnnxruntime()) ?? referenceExecutor;
}

/**
 * A network on the executor asked for; without one, an int8 network on our engine and a float one on the best float
 * executor. `octet` means the same for a float network, which our engine does not run.
 *
 * @throws AppError FLOAT_EXECUTOR_UNAVAILABLE when onnxruntime is asked for and not installed
 */
export async function openRunner(network: Network, executor: ExecutorName = 'octet'): Promise<Runner> {
  switch (executor) {
    case 'octet':
      return network.quantized
        ? engineRunner(lowerQdq(network.graph))
        : floatRunner(network.graph, await bestFloatExecutor());
    case 'reference':
      return network.quantized
        ? referenceRunner(lowerQdq(network.graph))
        : floatRunner(network.graph, referenceExecutor);
    case 'onnxruntime':
      if ((await loadOnnxruntime()) === undefined)
        throw new AppError('FLOAT_EXECUTOR_UNAVAILABLE', "The package 'onnxruntime-node' is not installed.");
      return onnxFileRunner(network.bytes);
  }
}
