import { preflightOrOutline } from '../outline.ts';
import { serveCalls } from './serveCalls.ts';

serveCalls({
  async preflight(call) {
    return { value: preflightOrOutline(call.bytes, call.externalData) };
  },
});
