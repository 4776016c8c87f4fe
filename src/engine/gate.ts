import { AppError } from '../base/index.ts';
import { CLOSED, CONTROL, doneOf } from './plan/control.ts';
import { arenaAddress, type SharedNetwork } from './shared.ts';

/** A waiter looks this often before it sleeps, and wakes after so many milliseconds to see whether it should give up. */
const SPINS = 2_000;
const SLEEP_MS = 2;

const WORD = 4;

/**
 * The control words of one arena, as the threads that share its inference see them. The leader opens the gate for each
 * inference and closes it when all is done; others come and go between. It opens again only when all have left.
 */
export class Gate {
  readonly #words: Int32Array;

  constructor({ memory, wiring }: SharedNetwork, arena: number) {
    this.#words = new Int32Array(memory.buffer, arenaAddress(wiring, arena), wiring.scratchStart / WORD);
  }

  /** As it is before its first use. For a thread that knows that no other uses the arena. */
  reset(): void {
    this.#words.fill(0);
    Atomics.store(this.#words, CONTROL.gate / WORD, CLOSED);
  }

  /** Lets everybody who waits give up, until `reset`. */
  abort(): void {
    Atomics.store(this.#words, CONTROL.abort / WORD, 1);
    for (const word of [CONTROL.gate, CONTROL.inference]) Atomics.notify(this.#words, word / WORD);
  }

  /** @throws AppError CANCELLED after `abort` */
  check(): void {
    if (Atomics.load(this.#words, CONTROL.abort / WORD) !== 0)
      throw new AppError('CANCELLED', 'Another thread of this inference has ended.');
  }

  /** Begins an inference, once everybody has left the last one. @throws AppError CANCELLED */
  open(inference: number): void {
    this.#waitWhile(CONTROL.gate, (gate) => gate !== CLOSED);
    this.#words.fill(0, CONTROL.stages / WORD);
    Atomics.and(this.#words, CONTROL.gate / WORD, ~CLOSED);
    Atomics.store(this.#words, CONTROL.inference / WORD, inference);
    Atomics.notify(this.#words, CONTROL.inference / WORD);
  }

  close(): void {
    Atomics.or(this.#words, CONTROL.gate / WORD, CLOSED);
  }

  /** Waits for an inference to begin. Returns whether the caller is inside: not if it has ended. @throws AppError CANCELLED */
  enter(inference: number): boolean {
    this.#waitWhile(CONTROL.inference, (opened) => opened < inference);
    const before = Atomics.add(this.#words, CONTROL.gate / WORD, 1);
    if ((before & CLOSED) === 0) return true;
    this.leave();
    return false;
  }

  leave(): void {
    Atomics.sub(this.#words, CONTROL.gate / WORD, 1);
    Atomics.notify(this.#words, CONTROL.gate / WORD);
  }

  /** Counts a stage of one unit that did not run in WebAssembly. */
  finish(stage: number): void {
    const done = doneOf(stage) / WORD;
    Atomics.store(this.#words, done, 1);
    if (Atomics.load(this.#words, CONTROL.sleepers / WORD) > 0) Atomics.notify(this.#words, done);
  }

  #waitWhile(offset: number, blocked: (value: number) => boolean): void {
    const word = offset / WORD;
    for (let spin = 0; ; spin++) {
      const value = Atomics.load(this.#words, word);
      if (!blocked(value)) return;
      this.check();
      if (spin >= SPINS) Atomics.wait(this.#words, word, value, SLEEP_MS);
    }
  }
}
