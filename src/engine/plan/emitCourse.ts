import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '../../wasm/index.ts';
import { CONTROL, doneOf, nextOf } from './control.ts';
import type { Segment, Stage } from './stages.ts';

/** Turns of looking before a thread sleeps: about 20 µs, a little more than a sleep and an awakening cost. */
const SPINS = 20_000;

/** A sleeper looks up this often, in nanoseconds, whether it should give up. */
const SLEEP_NS = 2_000_000;

const ALL = -1;

/** Steps of the module by their index, with their units. */
export interface EmittedStep {
  readonly entry: FunctionReference;
  readonly units: number;
}

export interface CourseFunctions {
  /** (arena, scratch: i32) → (): every step of the segment, by the calling thread. */
  alone(segment: WasmSegment): FunctionReference;
  /**
   * (arena, scratch, threads: i32) → (): what others leave of the segment's stages; returns when all are done. Any number
   * of threads may call it, at any time between the opening and the closing of the arena's gate.
   */
  together(segment: WasmSegment): FunctionReference;
}

export type WasmSegment = Extract<Segment, { runs: 'wasm' }>;

/** What both ways of running a segment share: the stages and the two functions by which threads wait for each other. */
export function courseFunctions(
  module: ModuleBuilder,
  stages: readonly Stage[],
  emitted: (step: number) => EmittedStep,
): CourseFunctions {
  const finish = emitFinish(module);
  const await_ = emitAwait(module);
  return {
    alone: (segment) =>
      module.function(['i', 'i'], [], (f) => {
        for (const stage of segment.stages) emitAll(f, stages[stage]!, emitted);
      }),
    together: (segment) =>
      module.function(['i', 'i', 'i'], [], (f) => {
        const before = segment.stages[0]! - 1;
        const waitFor = (stage: number): void => {
          f.get(f.parameter(0)).i32(doneOf(stage)).op('i32.add').i32(stages[stage]!.units);
          f.get(f.parameter(0)).call(await_);
        };
        if (before >= 0) waitFor(before);
        for (const stage of segment.stages) {
          emitShare(f, { stage: stages[stage]!, number: stage, emitted, finish });
          waitFor(stage);
        }
      }),
  };
}

/** Whole steps, one after the other. */
function emitAll(f: FunctionBuilder, stage: Stage, emitted: (step: number) => EmittedStep): void {
  for (const step of stage.steps) {
    const { entry, units } = emitted(step);
    f.get(f.parameter(0)).get(f.parameter(1)).i32(0).i32(units).call(entry);
  }
}

interface Share {
  readonly stage: Stage;
  readonly number: number;
  readonly emitted: (step: number) => EmittedStep;
  readonly finish: FunctionReference;
}

/**
 * Takes units while there are any, one share of as many as threads at a time:
 *
 *   while ((first = atomic next += share) < units)
 *     run first … min(first + share, units); atomic done += their number, waking who sleeps
 */
function emitShare(f: FunctionBuilder, { stage, number, emitted, finish }: Share): void {
  const [arena, scratch, threads] = [0, 1, 2].map((index) => f.parameter(index)) as [Local, Local, Local];
  const [first, end, share] = f.locals('i', 3) as [Local, Local, Local];
  const { units, steps } = stage;
  f.get(threads)
    .i32(units - 1)
    .op('i32.add')
    .get(threads)
    .op('i32.div_u')
    .set(share);
  f.block((leaveIf) => {
    f.loop((again) => {
      f.get(arena)
        .get(share)
        .op('i32.atomic.rmw.add', { offset: nextOf(number) })
        .tee(first);
      f.i32(units).op('i32.ge_s');
      leaveIf();
      f.get(first).get(share).op('i32.add').set(end);
      f.block((fitsIf) => {
        f.get(end).i32(units).op('i32.le_s');
        fitsIf();
        f.i32(units).set(end);
      });
      if (units === 1) emitAll(f, stage, emitted);
      else f.get(arena).get(scratch).get(first).get(end).call(emitted(steps[0]!).entry);
      f.get(arena).i32(doneOf(number)).op('i32.add');
      f.get(end).get(first).op('i32.sub').get(arena).call(finish);
      f.i32(1);
      again();
    });
  });
}

/** (address of done, units, arena: i32) → (): counts units, and wakes sleepers. */
function emitFinish(module: ModuleBuilder): FunctionReference {
  return module.function(['i', 'i', 'i'], [], (f) => {
    const [done, units, arena] = [0, 1, 2].map((index) => f.parameter(index)) as [Local, Local, Local];
    f.get(done).get(units).op('i32.atomic.rmw.add').drop();
    f.block((leaveIf) => {
      f.get(arena).op('i32.atomic.load', { offset: CONTROL.sleepers }).op('i32.eqz');
      leaveIf();
      f.get(done).i32(ALL).op('memory.atomic.notify').drop();
    });
  });
}

/** (address of done, units, arena: i32) → (): returns when done = units; looks for a while, then sleeps. */
function emitAwait(module: ModuleBuilder): FunctionReference {
  return module.function(['i', 'i', 'i'], [], (f) => {
    const [done, units, arena] = [0, 1, 2].map((index) => f.parameter(index)) as [Local, Local, Local];
    const [spins, found] = f.locals('i', 2) as [Local, Local];
    f.block((leaveIf) => {
      const leaveWhenDone = (): void => {
        f.get(done).op('i32.atomic.load').tee(found).get(units).op('i32.eq');
        leaveIf();
      };
      f.repeat(spins, { start: 0, end: SPINS, step: 1 }, leaveWhenDone);
      f.loop((again) => {
        f.get(arena).i32(1).op('i32.atomic.rmw.add', { offset: CONTROL.sleepers }).drop();
        f.get(done).op('i32.atomic.load').set(found);
        f.block((awakeIf) => {
          f.get(found).get(units).op('i32.eq');
          awakeIf();
          f.get(done).get(found).i64(SLEEP_NS).op('memory.atomic.wait32').drop();
        });
        f.get(arena).i32(1).op('i32.atomic.rmw.sub', { offset: CONTROL.sleepers }).drop();
        f.block((goOnIf) => {
          f.get(arena).op('i32.atomic.load', { offset: CONTROL.abort }).op('i32.eqz');
          goOnIf();
          f.trap();
        });
        leaveWhenDone();
        f.i32(1);
        again();
      });
    });
  });
}
