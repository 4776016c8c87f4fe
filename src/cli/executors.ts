import { AppError } from '../base/index.ts';
import type { FloatExecutor } from '../graph/index.ts';
import { engineRunner, floatRunner, onnxFileRunner, referenceRunner, type Runner } from '../lab/index.ts';
import { loadOnnxruntime } from '../onnxruntime/index.ts';
import { referenceExecutor } from '../reference/index.ts';
import { lowerQdq } from '../transform/index.ts';
import { askedTier } from './engineTier.ts';
import type { Network } from './network.ts';

export const executors = ['octet', 'reference', 'onnxruntime'] as const;
export type ExecutorName = (typeof executors)[number];

export const floatExecutorNames = ['onnxruntime', 'reference'] as const;
export type FloatExecutorName = (typeof floatExecutorNames)[number];

/**
 * What runs float networks: by name, else onnxruntime where it is installed, else the reference kernels.
 *
 * @throws AppError FLOAT_EXECUTOR_UNAVAILABLE when onnxruntime is asked for and not installed
 */
export async function openFloatExecutor(name?: FloatExecutorName): Promise<FloatExecutor> {
  if (name === 'reference') return referenceExecutor;
  const onnxruntime = await loadOnnxruntime();
  if (name === 'onnxruntime' && onnxruntime === undefined) throw notInstalled();
  return onnxruntime ?? referenceExecutor;
}

function notInstalled(): AppError {
  return new AppError('FLOAT_EXECUTOR_UNAVAILABLE', "The package 'onnxruntime-node' is not installed.");
}

/**
 * A network on the executor asked for; without one, an int8 network on our engine and a float one on the best float
 * executor. `octet` means the same for a float network, which our engine does not run.
 *
 * @throws AppError FLOAT_EXECUTOR_UNAVAILABLE when onnxruntime is asked for and not installed
 * @throws UsageError on a tier that does not exist
 */
export async function openRunner(network: Network, executor: ExecutorName = 'octet'): Promise<Runner> {
  switch (executor) {
    case 'octet':
      return network.quantized
        ? engineRunner(lowerQdq(network.graph), askedTier(process.env))
        : floatRunner(network.graph, await openFloatExecutor());
    case 'reference':
      return network.quantized
        ? referenceRunner(lowerQdq(network.graph))
        : floatRunner(network.graph, referenceExecutor);
    case 'onnxruntime':
      if ((await loadOnnxruntime()) === undefined) throw notInstalled();
      return onnxFileRunner(network.bytes);
  }
}
