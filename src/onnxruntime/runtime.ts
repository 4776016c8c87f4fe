import type * as OnnxRuntime from 'onnxruntime-node';

/** The package as this room uses it; loaded at first use, for it may be absent. */
export type Runtime = typeof OnnxRuntime;

let loading: Promise<Runtime | undefined> | undefined;

/** onnxruntime-node, or undefined where it is not installed or has no binary for this machine. */
export async function loadRuntime(): Promise<Runtime | undefined> {
  loading ??= import('onnxruntime-node').then(
    (runtime) => runtime,
    () => undefined,
  );
  return loading;
}
