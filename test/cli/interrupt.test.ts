import { describe, expect, it } from 'vitest';
import { Interrupt } from '../../src/cli/interrupt.ts';

describe('an interrupt', () => {
  it('ends the command, or during a search the search alone', () => {
    for (const stage of ['prepare', 'search', 'evaluate'] as const) {
      const pressed = new AbortController();
      const interrupt = new Interrupt(pressed.signal);
      interrupt.stage = stage;
      pressed.abort();
      expect([interrupt.cancel.aborted, interrupt.finish.aborted]).toEqual([stage !== 'search', stage === 'search']);
    }
  });

  it('is not lost when it comes before all else', () => {
    expect(new Interrupt(AbortSignal.abort()).cancel.aborted).toBe(true);
  });
});
