import { serveCalls } from './serveCalls.ts';
import { attach, type Executable } from '../../engine/index.ts';
import { loadQuantized } from '../loadQuantized.ts';
import { AppError } from '../../base/index.ts';
import { ownTensors, transferables } from './protocol.ts';

const loaded = new Map<string, Executable>();

function loadedModel(key: string): Executable {
  const model = loaded.get(key);
  if (model === undefined) throw new AppError('VERSION_NOT_READY', 'The version is not loaded.');
  return model;
}

serveCalls({
  async load(call, options) {
    loaded.get(call.key)?.close();
    const model = await loadQuantized(call.bytes, { tier: options.tier, golden: call.golden });
    loaded.set(call.key, model.executable);
    const { tier, memoryBytes, kernels } = model.executable;
    const shared = model.executable.share();
    return { value: { tier, memoryBytes, kernels, shared, mismatchedTiers: model.mismatchedTiers } };
  },
  async attach(call) {
    loaded.get(call.key)?.close();
    const executable = attach(call.shared, call.arena);
    loaded.set(call.key, executable);
    return { value: { memoryBytes: executable.memoryBytes } };
  },
  async unload(call) {
    loaded.get(call.key)?.close();
    loaded.delete(call.key);
    return { value: undefined };
  },
  async run(call) {
    const model = loadedModel(call.key);
    const start = performance.now();
    const result = model.run(call.feeds, call.team && { team: call.team });
    const computeMs = performance.now() - start;
    const outputs = ownTensors(result);
    return { value: { outputs, computeMs }, transfer: transferables(outputs) };
  },
  async join(call) {
    loadedModel(call.key).join(call.leader, call.team);
    return { value: undefined };
  },
});
