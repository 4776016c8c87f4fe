import { invariant, present } from '../base/index.ts';
import { checkFeeds, runOperation } from '../reference/index.ts';
import { elementCount, type Tensor, type TensorMap } from '../tensor/index.ts';
import type { Executable, NodeTiming } from './executable.ts';
import { ArenaView } from './memory.ts';
import { heldConstants } from './plan/arena.ts';
import type { PlannedStep, Wiring } from './plan/plan.ts';
import type { SharedNetwork } from './shared.ts';
import type { Tier } from './tier.ts';

type Run = () => void;

/** A plan instantiated over a memory: the executable of every tier but the reference. */
export class Instance implements Executable {
  readonly tier: Tier;
  readonly kernels: ReadonlyMap<string, string>;
  readonly memoryBytes: number;
  readonly #plan: Wiring;
  readonly #shared: SharedNetwork;
  readonly #view: ArenaView;
  readonly #runs: readonly Run[];

  /** @param arena address of the arena that this instance works in; the memory holds the image already */
  constructor(shared: SharedNetwork, arena: number) {
    const { wiring: plan, module, memory, tier } = shared;
    this.tier = tier;
    this.#shared = shared;
    this.#plan = plan;
    this.#view = new ArenaView(plan, memory, arena);
    this.kernels = new Map(plan.steps.map((step) => [step.name, step.kernel]));
    this.memoryBytes = memory.buffer.byteLength;
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#runs = plan.steps.map((step) => this.#makeRun(step, exports, arena));
    for (const name of heldConstants(plan.graph))
      this.#view.write(name, present(plan.graph.constants.get(name), name).data);
  }

  #makeRun(step: PlannedStep, exports: WebAssembly.Exports, arena: number): Run {
    if (step.entry === undefined) return () => this.#runIsland(step);
    const entry = exports[step.entry];
    invariant(typeof entry === 'function', `module lacks '${step.entry}'`);
    const call = entry as (arena: number, scratch: number, begin: number, end: number) => void;
    return () => call(arena, arena, 0, step.units);
  }

  #runIsland(step: PlannedStep): void {
    const { graph } = this.#plan;
    const operation = present(graph.operations[step.operation], step.name);
    const read = (name: string): Tensor =>
      this.#plan.addresses.has(name) ? this.#view.read(name) : present(graph.constants.get(name), `value '${name}'`);
    for (const [name, value] of runOperation(graph, operation, read)) this.#view.write(name, value.data);
  }

  run(feeds: TensorMap): TensorMap {
    const runs = checkFeeds(this.#plan.graph, feeds);
    const results = new Map<string, Tensor[]>();
    for (let sample = 0; sample < runs; sample++) {
      this.#feed(feeds, sample);
      for (const run of this.#runs) run();
      for (const name of this.#plan.graph.outputs) {
        const parts = results.get(name) ?? [];
        parts.push(this.#output(name));
        results.set(name, parts);
      }
    }
    return new Map([...results].map(([name, parts]) => [name, joinSamples(parts)]));
  }

  share(): SharedNetwork {
    return this.#shared;
  }

  profile(feeds: TensorMap): readonly NodeTiming[] {
    checkFeeds(this.#plan.graph, feeds);
    this.#feed(feeds, 0);
    return this.#plan.steps.map((step, index) => {
      const start = performance.now();
      present(this.#runs[index], step.name)();
      const ms = performance.now() - start;
      return { name: step.name, opType: step.opType, kernel: step.kernel, ms, macs: step.macs };
    });
  }

  #feed(feeds: TensorMap, sample: number): void {
    for (const name of this.#plan.graph.inputs) {
      const value = present(this.#plan.graph.values.get(name), `input '${name}'`);
      const feed = present(feeds.get(name), `feed '${name}'`);
      const count = elementCount(value.shape);
      const part = feed.data.subarray(sample * count, (sample + 1) * count);
      const shifted = value.kind === 'quantized' && value.storedAs === 'int8';
      this.#view.write(name, shifted ? Uint8Array.from(part as Int8Array, (q) => q + 128) : part);
    }
  }

  #output(name: string): Tensor {
    const value = present(this.#plan.graph.values.get(name), `output '${name}'`);
    const made = this.#plan.addresses.has(name)
      ? this.#view.read(name)
      : present(this.#plan.graph.constants.get(name), `output '${name}'`);
    if (value.kind !== 'quantized' || value.storedAs === 'uint8') return made;
    return { dtype: 'int8', shape: made.shape, data: Int8Array.from(made.data as Uint8Array, (q) => q - 128) };
  }

  close(): void {
    // memory and module go with the last reference to the instance
  }
}

function joinSamples(parts: readonly Tensor[]): Tensor {
  const first = present(parts[0], 'first sample');
  if (parts.length === 1) return first;
  const Elements = first.data.constructor as new (count: number) => Tensor['data'];
  const data = new Elements(first.data.length * parts.length);
  parts.forEach((part, index) => data.set(part.data as never, index * first.data.length));
  return { dtype: first.dtype, shape: [parts.length * (first.shape[0] ?? 1), ...first.shape.slice(1)], data } as Tensor;
}
