import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { AppError } from '../base/index.ts';
import type { Dtype, Shape, Tensor, TensorMap } from '../tensor/index.ts';
import { loadRuntime, type Runtime } from './runtime.ts';

/** How far onnxruntime may rewrite a graph before it runs it; `all` is its own default. */
export const optimizationLevels = ['none', 'basic', 'extended', 'all'] as const;
export type OptimizationLevel = (typeof optimizationLevels)[number];

export interface OnnxruntimeOptions {
  /** Threads inside one operator; absent: one a core. */
  readonly threads?: number | undefined;
  readonly optimization?: OptimizationLevel | undefined;
  /** Whether nodes of constants are computed when the file is opened (default yes). */
  readonly foldConstants?: 'yes' | 'no' | undefined;
  /** Times every node into a file whose path begins so; it is complete once the session is closed. */
  readonly profilePrefix?: string | undefined;
}

export interface OnnxFileValue {
  readonly name: string;
  readonly dtype: string;
  /** −1 where the file leaves the dimension free. */
  readonly shape: Shape;
}

/** A file that onnxruntime runs as it is, with none of our passes. */
export interface OnnxFileSession {
  readonly inputs: readonly OnnxFileValue[];
  readonly outputs: readonly OnnxFileValue[];
  run(feeds: TensorMap): Promise<TensorMap>;
  close(): Promise<void>;
}

/**
 * Opens ONNX bytes in onnxruntime.
 *
 * @throws AppError FLOAT_EXECUTOR_UNAVAILABLE when it is not installed, MODEL_INVALID when it refuses the model
 */
export async function openOnnxFile(bytes: Uint8Array, options: OnnxruntimeOptions = {}): Promise<OnnxFileSession> {
  const runtime = await loadRuntime();
  if (runtime === undefined)
    throw new AppError('FLOAT_EXECUTOR_UNAVAILABLE', "The package 'onnxruntime-node' is not installed.");
  const session = await runtime.InferenceSession.create(bytes, sessionOptions(options)).catch((error: unknown) => {
    throw new AppError('MODEL_INVALID', `onnxruntime does not accept the model: ${messageOf(error)}`);
  });
  return {
    inputs: session.inputMetadata.map(describeValue),
    outputs: session.outputMetadata.map(describeValue),
    run: (feeds) => runSession(runtime, session, feeds),
    close: async () => {
      if (options.profilePrefix !== undefined) session.endProfiling();
      await session.release();
    },
  };
}

function sessionOptions({
  threads,
  optimization = 'all',
  foldConstants = 'yes',
  profilePrefix,
}: OnnxruntimeOptions): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: optimization === 'none' ? 'disabled' : optimization,
    logSeverityLevel: 3,
    // Threads that spin between operators would take the cores from image decoding.
    extra: {
      session: { intra_op: { allow_spinning: '0' } },
      ...(foldConstants === 'yes' ? {} : { optimization: { disable_specified_optimizers: 'ConstantFolding' } }),
    },
  };
}

async function runSession(runtime: Runtime, session: InferenceSession, feeds: TensorMap): Promise<TensorMap> {
  const inputs: Record<string, OnnxTensor> = {};
  for (const [name, value] of feeds) inputs[name] = toOnnx(runtime, value);
  const results = await session.run(inputs).catch((error: unknown) => {
    throw new AppError('INFERENCE_INVALID', `onnxruntime cannot run the model: ${messageOf(error)}`);
  });
  // Iterated by name: the order of the results is not promised.
  return new Map(session.outputNames.map((name) => [name, fromOnnx(name, results[name])]));
}

function toOnnx(runtime: Runtime, { dtype, data, shape }: Tensor): OnnxTensor {
  return new runtime.Tensor(dtype as 'float32', data as Float32Array, shape);
}

function fromOnnx(name: string, value: OnnxTensor | undefined): Tensor {
  if (value === undefined || value.type === 'string' || value.type === 'uint4' || value.type === 'int4')
    throw new AppError(
      'MODEL_INVALID',
      `Output '${name}' is of type ${value?.type ?? 'nothing'}, which is not a tensor of numbers.`,
    );
  return { dtype: value.type satisfies Dtype, shape: value.dims, data: value.data } as Tensor;
}

function describeValue(value: InferenceSession.ValueMetadata): OnnxFileValue {
  if (!value.isTensor) throw new AppError('MODEL_INVALID', `'${value.name}' is not a tensor.`);
  const { name, type: dtype, shape } = value;
  return { name, dtype, shape: shape.map((dim) => (typeof dim === 'number' ? dim : -1)) };
}

/** The first line without the source locations that onnxruntime puts before its messages. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split('\n')[0] ?? '').replace(/^.*?\.(?:cc|h):\d+\s+\S+\s*/, '').slice(0, 300);
}
