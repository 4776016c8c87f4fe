import { preflight } from '../preflightModel.ts';
import { serveCalls } from './serveCalls.ts';

serveCalls({
  async preflight(call) {
    return { value: preflight(call.bytes, call.externalData) };
  },
});
