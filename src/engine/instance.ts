import { invariant, present } from '../base/index.ts';
import { checkFeeds, runOperation } from '../reference/index.ts';
import { tensorsOf, type FeedMap, type Tensor, type TensorMap } from '../tensor/index.ts';
import type { Executable, Membership, NodeTiming, RunOptions } from './executable.ts';
import { Gate } from './gate.ts';
import { ArenaView } from './memory.ts';
import { heldConstants } from './plan/values.ts';
import type { PlannedSegment, PlannedStep, Wiring } from './plan/plan.ts';
import { Ports } from './ports.ts';
import { arenaAddress, type SharedNetwork } from './shared.ts';
import type { Tier } from './tier.ts';

/** An exported function; its first two arguments are the addresses of arena and scratch. */
type Entry = (arena: number, scratch: number, ...more: number[]) => void;

/** A segment of the course with its functions; without them, an island. */
interface Passage {
  readonly segment: PlannedSegment;
  readonly alone: Entry | undefined;
  readonly together: Entry | undefined;
}

/** A plan instantiated over a memory: the executable of every tier but the reference. */
export class Instance implements Executable {
  readonly tier: Tier;
  readonly kernels: ReadonlyMap<string, string>;
  readonly memoryBytes: number;
  readonly arena: number;
  readonly #address: number;
  readonly #scratch: number;
  readonly #plan: Wiring;
  readonly #shared: SharedNetwork;
  readonly #exports: WebAssembly.Exports;
  readonly #view: ArenaView;
  readonly #ports: Ports;
  readonly #gate: Gate;
  readonly #course: readonly Passage[];

  /** @param arena number of the arena that this instance works in; the memory holds the image already */
  constructor(shared: SharedNetwork, arena: number) {
    const { wiring: plan, module, memory, tier } = shared;
    this.tier = tier;
    this.arena = arena;
    this.#address = arenaAddress(plan, arena);
    this.#scratch = this.#address + plan.scratchStart;
    this.#shared = shared;
    this.#plan = plan;
    this.#view = new ArenaView(plan, memory, this.#address);
    this.#ports = new Ports(plan, this.#view);
    this.#gate = new Gate(shared, arena);
    this.#gate.reset();
    this.kernels = new Map(plan.steps.map((step) => [step.name, step.kernel]));
    this.memoryBytes = memory.buffer.byteLength;
    this.#exports = new WebAssembly.Instance(module, { env: { memory } }).exports;
    this.#course = plan.segments.map((segment) => {
      if (segment.runs === 'island') return { segment, alone: undefined, together: undefined };
      return { segment, alone: this.#function(segment.alone), together: this.#function(segment.together) };
    });
    for (const name of heldConstants(plan.graph))
      this.#view.get(name).write(present(plan.graph.constants.get(name), name).data);
  }

  #function(name: string): Entry {
    const found = this.#exports[name];
    invariant(typeof found === 'function', `module lacks '${name}'`);
    return found as Entry;
  }

  run(given: FeedMap, { into, team }: RunOptions = {}): TensorMap {
    const feeds = this.#writable(given);
    const samples = this.#ports.samplesOf(feeds);
    const outputs = into ?? this.#ports.allocate(samples);
    for (let sample = 0; sample < samples; sample++) {
      this.#ports.write(feeds, sample);
      if (team) this.#runTogether(team, sample);
      else this.#runAlone();
      this.#ports.read(outputs, sample);
    }
    return outputs;
  }

  /** One sample as it is, where its form allows; all else as tensors. */
  #writable(feeds: FeedMap): FeedMap {
    if (this.#ports.isOneSample(feeds)) return feeds;
    const tensors = tensorsOf(feeds);
    checkFeeds(this.#plan.graph, tensors);
    return tensors;
  }

  #runAlone(): void {
    for (let index = 0; index < this.#course.length; index++) {
      const { alone, segment } = this.#course[index]!;
      if (alone) alone(this.#address, this.#scratch);
      else this.#runIsland(segment);
    }
  }

  #runTogether({ inference, threads }: Membership, sample: number): void {
    this.#gate.open(inference + sample);
    try {
      for (const { together, segment } of this.#course) {
        if (together) together(this.#address, this.#scratch, threads);
        else {
          this.#runIsland(segment);
          if (segment.runs === 'island') this.#gate.finish(segment.stage);
        }
      }
    } catch (error) {
      this.#gate.check();
      throw error;
    }
    this.#gate.close();
  }

  join(leader: number, { inference, threads }: Membership, samples = 1): void {
    const address = arenaAddress(this.#plan, leader);
    const gate = new Gate(this.#shared, leader);
    for (let sample = 0; sample < samples; sample++) {
      if (!gate.enter(inference + sample)) continue;
      try {
        for (const { together } of this.#course) together?.(address, this.#scratch, threads);
      } catch (error) {
        gate.check();
        throw error;
      } finally {
        gate.leave();
      }
    }
  }

  #runIsland(segment: PlannedSegment): void {
    if (segment.runs === 'island') this.#runOnReference(present(this.#plan.steps[segment.step], 'step'));
  }

  #runOnReference(step: PlannedStep): void {
    const { graph } = this.#plan;
    const operation = present(graph.operations[step.operation], step.name);
    const read = (name: string): Tensor =>
      this.#plan.addresses.has(name)
        ? this.#view.get(name).tensor()
        : present(graph.constants.get(name), `value '${name}'`);
    for (const [name, value] of runOperation(graph, operation, read)) this.#view.get(name).write(value.data);
  }

  share(): SharedNetwork {
    return this.#shared;
  }

  profile(feeds: FeedMap): readonly NodeTiming[] {
    this.#ports.write(this.#writable(feeds), 0);
    return this.#plan.steps.map((step) => {
      const entry = step.entry === undefined ? undefined : this.#function(step.entry);
      const start = performance.now();
      if (entry) entry(this.#address, this.#scratch, 0, step.units);
      else this.#runOnReference(step);
      const ms = performance.now() - start;
      return { name: step.name, opType: step.opType, kernel: step.kernel, ms, macs: step.macs };
    });
  }

  close(): void {
    // memory and module go with the last reference to the instance
  }
}
