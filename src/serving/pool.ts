import { AppError, present } from '../base/index.ts';
import { Gate, type SharedNetwork, type Tier } from '../engine/index.ts';
import type { FeedMap, TensorMap } from '../tensor/index.ts';
import type { LoadedModel } from './threads/protocol.ts';
import { transferables } from './threads/protocol.ts';
import { Thread } from './threads/thread.ts';

/** Short inferences lose by it: members wait for each other after each layer. So does a batch, whose samples could run apart. */
const SHARED_FROM_MS = 8;

export interface PoolOptions {
  readonly threads: number;
  /** Requests that may wait for a thread. */
  readonly queueLength: number;
  /** Limit of waiting, and again of computing. */
  readonly timeoutMs: number;
  readonly tier: Tier | undefined;
  /** auto: an inference of several milliseconds is shared by threads that would be idle; off: each runs on one thread. */
  readonly sharing: 'auto' | 'off';
  /** Milliseconds on one thread from which an inference is shared; 8 where it is absent. */
  readonly sharedFromMs?: number;
  readonly onRestart?: () => void;
  readonly onShared?: () => void;
}

/** Reads a model's file; called again when a thread had to be replaced. */
export type ModelSource = () => Promise<ModelFile>;

export interface ModelFile {
  readonly bytes: Uint8Array;
  /** Hash of the reference kernels' golden output, where it is known. */
  readonly golden: string | undefined;
}

export interface RunResult {
  readonly outputs: TensorMap;
  readonly computeMs: number;
}

interface Task {
  readonly key: string;
  readonly feeds: FeedMap;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
  dispose: () => void;
}

interface Slot {
  readonly thread: Thread;
  readonly loaded: Set<string>;
  busy: boolean;
}

/** Loading reads, plans and compiles; it may take longer than an inference. */
const LOAD_TIMEOUT_MS = 300_000;

/**
 * As many threads as cores, one inference a thread at a time, one bounded queue in front. Threads that nobody waits for join
 * the inference of another (latency mode); as soon as requests wait, each thread runs its own (throughput mode). A thread that
 * crashes or exceeds the time limit is replaced and loads its models again when it next needs them.
 */
export class InferencePool {
  readonly #options: PoolOptions;
  readonly #slots: Slot[];
  readonly #sources = new Map<string, ModelSource>();
  readonly #shared = new Map<string, SharedNetwork>();
  readonly #queue: Task[] = [];
  /** The shortest computation on one thread, by model. */
  readonly #aloneMs = new Map<string, number>();
  #lastLoad: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    const entry = new URL('./threads/inferenceThread.ts', import.meta.url);
    this.#slots = Array.from({ length: options.threads }, () => {
      const loaded = new Set<string>();
      const onDeath = () => {
        loaded.clear();
        options.onRestart?.();
      };
      return { thread: new Thread(entry, { tier: options.tier }, onDeath), loaded, busy: false };
    });
  }

  get threads(): number {
    return this.#slots.length;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Loads and warms a model in one thread; the others attach to its module and weights. Queued inferences of other models
   * go on between.
   *
   * @returns what the first thread loaded, with the memory of all threads
   */
  async load(key: string, source: ModelSource): Promise<LoadedModel> {
    this.#sources.set(key, source);
    try {
      const file = await shareable(source);
      const [first, ...others] = this.#slots;
      const slot = present(first, 'thread');
      const model = await this.#exclusive(slot, () => this.#loadInto(slot, key, file));
      const attached = await Promise.all(
        others.map((other) => this.#exclusive(other, () => this.#prepare(other, key))),
      );
      const { shared } = model;
      if (shared !== undefined) return { ...model, memoryBytes: shared.memory.buffer.byteLength };
      return { ...model, memoryBytes: attached.reduce((sum, { memoryBytes }) => sum + memoryBytes, model.memoryBytes) };
    } catch (error) {
      await this.unload(key).catch(() => undefined);
      throw error;
    }
  }

  async unload(key: string): Promise<void> {
    this.#forget(key);
    const holders = this.#slots.filter((slot) => slot.loaded.delete(key));
    await Promise.all(
      holders.map((slot) =>
        this.#exclusive(slot, () => slot.thread.call({ kind: 'unload', key }, { timeoutMs: LOAD_TIMEOUT_MS })),
      ),
    );
  }

  /**
   * @throws AppError INFERENCE_QUEUE_FULL; INFERENCE_TIMEOUT after the time limit, waiting or running; CANCELLED on abort
   */
  run(key: string, feeds: FeedMap, signal?: AbortSignal): Promise<RunResult> {
    if (this.#closed) return Promise.reject(new AppError('SERVICE_STOPPING', 'The service is stopping.'));
    const idle = this.#slots.find((slot) => !slot.busy);
    if (idle === undefined && this.#queue.length >= this.#options.queueLength)
      return Promise.reject(
        new AppError('INFERENCE_QUEUE_FULL', `${this.#queue.length} inference requests are waiting; try again later.`),
      );
    return new Promise((resolve, reject) => {
      const task: Task = { key, feeds, resolve, reject, dispose: () => undefined };
      this.#queue.push(task);
      this.#watch(task, signal);
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const task of this.#queue.splice(0))
      this.#drop(task, new AppError('SERVICE_STOPPING', 'The service is stopping.'));
    await Promise.all(this.#slots.map((slot) => slot.thread.close()));
  }

  /** Takes a task out of the queue when its time is over or its caller is gone. */
  #watch(task: Task, signal: AbortSignal | undefined): void {
    const leave = (error: AppError) => {
      const place = this.#queue.indexOf(task);
      if (place < 0) return;
      this.#queue.splice(place, 1);
      this.#drop(task, error);
    };
    const timer = setTimeout(() => {
      leave(new AppError('INFERENCE_TIMEOUT', `No thread was free within ${this.#options.timeoutMs} ms.`));
    }, this.#options.timeoutMs);
    const onAbort = () => {
      leave(new AppError('CANCELLED', 'The caller went away.'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    task.dispose = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    if (signal?.aborted === true) onAbort();
  }

  #drop(task: Task, error: AppError): void {
    task.dispose();
    task.reject(error);
  }

  /** A slot is taken by whoever finds it free; tasks and loads wait for `#release`. */
  readonly #waitingForSlot: { slot: Slot; resolve: () => void }[] = [];

  async #exclusive<T>(slot: Slot, work: () => Promise<T>): Promise<T> {
    if (slot.busy) await new Promise<void>((resolve) => this.#waitingForSlot.push({ slot, resolve }));
    slot.busy = true;
    try {
      return await work();
    } finally {
      this.#release(slot);
    }
  }

  #release(slot: Slot): void {
    const next = this.#waitingForSlot.findIndex((waiting) => waiting.slot === slot);
    if (next >= 0) {
      // The slot stays busy: it goes straight to the load that waits for it.
      this.#waitingForSlot.splice(next, 1)[0]?.resolve();
      return;
    }
    slot.busy = false;
    this.#dispatch();
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const idle = this.#slots.filter((slot) => !slot.busy);
      const task = idle.length > 0 ? this.#queue.shift() : undefined;
      if (task === undefined) return;
      const members = this.#membersFor(task, idle);
      for (const slot of members) slot.busy = true;
      task.dispose();
      void this.#execute(members, task).then((answer) => {
        // first: a caller that goes on at once finds all threads idle again
        for (const slot of members) this.#release(slot);
        answer();
      });
    }
  }

  /** The thread that runs a task, and those that join it: an equal part of the idle ones for each task that waits. */
  #membersFor({ key, feeds }: Task, idle: readonly Slot[]): Slot[] {
    const ready = idle.filter((slot) => slot.loaded.has(key));
    const leader = present(ready[0] ?? idle[0], 'idle thread');
    const { sharing, sharedFromMs = SHARED_FROM_MS } = this.#options;
    const pays = (this.#aloneMs.get(key) ?? -1) >= sharedFromMs && isOneSample(feeds) && this.#shared.has(key);
    if (sharing === 'off' || !pays || !leader.loaded.has(key)) return [leader];
    return ready.slice(0, Math.max(1, Math.floor(idle.length / (this.#queue.length + 1))));
  }

  /** One load at a time in the whole process: compiling switches flags that all threads share. */
  async #loadInto(slot: Slot, key: string, file: ModelFile): Promise<LoadedModel> {
    const turn = this.#lastLoad.then(() =>
      slot.thread.call({ kind: 'load', key, ...file }, { timeoutMs: LOAD_TIMEOUT_MS }),
    );
    this.#lastLoad = turn.catch(() => undefined);
    const model = await turn;
    slot.loaded.add(key);
    if (model.shared !== undefined) this.#shared.set(key, model.shared);
    return model;
  }

  /** Gives a thread a model that it lacks: from the thread that has it, else from the file. */
  async #prepare(slot: Slot, key: string): Promise<{ readonly memoryBytes: number }> {
    const shared = this.#shared.get(key);
    if (shared === undefined) {
      const source = this.#sources.get(key);
      if (source === undefined) throw new AppError('VERSION_NOT_READY', 'The version was unloaded.');
      return this.#loadInto(slot, key, await shareable(source));
    }
    const call = { kind: 'attach', key, shared, arena: this.#slots.indexOf(slot) } as const;
    const attached = await slot.thread.call(call, { timeoutMs: LOAD_TIMEOUT_MS });
    slot.loaded.add(key);
    return attached;
  }

  #forget(key: string): void {
    this.#sources.delete(key);
    this.#shared.delete(key);
    this.#aloneMs.delete(key);
  }

  /** Runs a task on its members and returns how to answer it. */
  async #execute([leader, ...others]: readonly Slot[], task: Task): Promise<() => void> {
    const slot = present(leader, 'leading thread');
    try {
      if (!slot.loaded.has(task.key)) await this.#prepare(slot, task.key);
      const result = others.length > 0 ? await this.#runTogether(slot, others, task) : await this.#runAlone(slot, task);
      return () => {
        task.resolve(result);
      };
    } catch (error) {
      return () => {
        task.reject(error);
      };
    }
  }

  async #runAlone({ thread }: Slot, { key, feeds }: Task): Promise<RunResult> {
    const call = { kind: 'run', key, feeds } as const;
    const result = await thread.call(call, { timeoutMs: this.#options.timeoutMs, transfer: transferables(feeds) });
    if (isOneSample(feeds)) this.#aloneMs.set(key, Math.min(result.computeMs, this.#aloneMs.get(key) ?? Infinity));
    return result;
  }

  /**
   * The leader's inference, which the others join. Whoever fails lets all others give up, and this ends when all have ended:
   * then the gate of the leader's arena can begin anew.
   */
  async #runTogether(leader: Slot, others: readonly Slot[], { key, feeds }: Task): Promise<RunResult> {
    const { timeoutMs } = this.#options;
    const arena = this.#slots.indexOf(leader);
    const gate = new Gate(present(this.#shared.get(key), 'shared network'), arena);
    const team = { inference: 1, threads: others.length + 1 };
    gate.reset();
    this.#options.onShared?.();
    const lead = { kind: 'run', key, feeds, team } as const;
    const join = { kind: 'join', key, leader: arena, team } as const;
    const led = leader.thread.call(lead, { timeoutMs, transfer: transferables(feeds) });
    const calls = [led, ...others.map((slot) => slot.thread.call(join, { timeoutMs }))];
    for (const call of calls)
      call.catch(() => {
        gate.abort();
      });
    const errors = (await Promise.allSettled(calls)).flatMap((end): unknown[] =>
      end.status === 'rejected' ? [end.reason] : [],
    );
    const cause = errors.find((error) => !isCancelled(error));
    try {
      // a member that fails after the leader has ended takes nothing away
      return await led;
    } catch (error) {
      throw cause ?? error;
    }
  }
}

const isCancelled = (error: unknown): boolean => error instanceof AppError && error.code === 'CANCELLED';

function isOneSample(feeds: FeedMap): boolean {
  return [...feeds.values()].every(({ shape }) => shape[0] === 1);
}

/** The file in shared memory, so that threads read it without a copy each. */
async function shareable(source: ModelSource): Promise<ModelFile> {
  const { bytes, golden } = await source();
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
  shared.set(bytes);
  return { bytes: shared, golden };
}
