import { serveCalls } from './serveCalls.ts';
import { loadQuantized, type Loaded } from '../loadQuantized.ts';
import { AppError } from '../../base/index.ts';
import { ownTensors, transferables } from './protocol.ts';

const loaded = new Map<string, Loaded>();

serveCalls({
  async load(call, options) {
    loaded.get(call.key)?.executable.close();
    const model = await loadQuantized(call.bytes, { tier: options.tier, golden: call.golden });
    loaded.set(call.key, model);
    const { tier, memoryBytes, kernels } = model.executable;
    return { value: { tier, memoryBytes, kernels, mismatchedTiers: model.mismatchedTiers } };
  },
  async unload(call) {
    loaded.get(call.key)?.executable.close();
    loaded.delete(call.key);
    return { value: undefined };
  },
  async run(call) {
    const model = loaded.get(call.key);
    if (model === undefined) throw new AppError('VERSION_NOT_READY', 'The version is not loaded.');
    const start = performance.now();
    const result = model.executable.run(call.feeds);
    const computeMs = performance.now() - start;
    const outputs = ownTensors(result);
    return { value: { outputs, computeMs }, transfer: transferables(outputs) };
  },
});
