import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FunctionBuilder, ModuleBuilder, type ValueType } from '../../src/wasm/index.ts';
import { assemble, disassemble } from './support/disassemble.ts';

const pages = { initial: 1, maximum: 1 };

interface Made {
  readonly bytes: Uint8Array;
  readonly memory: WebAssembly.Memory;
  run(...args: number[]): number | undefined;
}

/** A module of one function, valid for V8 and for another toolkit, ready to run. */
function make(params: readonly ValueType[], results: readonly ValueType[], emit: (f: FunctionBuilder) => void): Made {
  const module = new ModuleBuilder(pages);
  module.export('run', module.function(params, results, emit));
  const bytes = module.bytes();
  expect(WebAssembly.validate(bytes)).toBe(true);
  expect([...assemble(disassemble(bytes))]).toEqual([...bytes]);
  const memory = new WebAssembly.Memory({ ...pages, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return { bytes, memory, run: exports['run'] as Made['run'] };
}

describe('constants', () => {
  it('of i32 keep every bit', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }), (value) => {
        expect(make([], ['i'], (f) => f.i32(value)).run()).toBe(value | 0);
      }),
      { numRuns: 40 },
    );
  });

  it('of f32 keep every bit', () => {
    fc.assert(
      fc.property(fc.float(), (value) => {
        expect(make([], ['f'], (f) => f.f32(value)).run()).toBe(value);
      }),
      { numRuns: 40 },
    );
  });

  it('of i64 are the numbers that they were, up to 32 bits', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(make([], ['l'], (f) => f.i64(value)).run()).toBe(BigInt(value));
      }),
      { numRuns: 40, examples: [[-(2 ** 31)], [2 ** 31 - 1]] },
    );
    expect(() => new FunctionBuilder([], ['l']).i64(2 ** 31)).toThrow('2147483648 does not fit 32 bits');
  });

  it('of v128 are sixteen bytes in order', () => {
    const bytes = Array.from({ length: 16 }, (_, index) => 255 - 7 * index);
    const made = make([], [], (f) => f.i32(32).v128(bytes).op('v128.store'));
    made.run();
    expect([...new Uint8Array(made.memory.buffer).slice(32, 48)]).toEqual(bytes);
  });

  it('of v128 are not of another length', () => {
    expect(() => new FunctionBuilder([], ['v']).v128([1, 2, 3])).toThrow('a v128 has 16 bytes, not 3');
  });
});

describe('shuffles', () => {
  it('take lanes of two vectors laid end to end', () => {
    const lanes = fc.array(fc.integer({ min: 0, max: 31 }), { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(lanes, (chosen) => {
        const made = make([], [], (f) =>
          f.i32(64).i32(0).op('v128.load').i32(0).op('v128.load', { offset: 16 }).shuffle(chosen).op('v128.store'),
        );
        const bytes = new Uint8Array(made.memory.buffer);
        for (let index = 0; index < 32; index++) bytes[index] = 100 + index;
        made.run();
        expect([...bytes.slice(64, 80)]).toEqual(chosen.map((lane) => 100 + lane));
      }),
      { numRuns: 20 },
    );
  });

  it.each([[[1, 2]], [new Array<number>(16).fill(32)], [new Array<number>(16).fill(-1)]])(
    'refuse lanes %j',
    (lanes) => {
      const f = new FunctionBuilder(['v'], ['v']);
      f.get(f.parameter(0)).get(f.parameter(0));
      expect(() => f.shuffle(lanes)).toThrow('a shuffle has 16 lanes in 0..31');
    },
  );
});

describe('locals', () => {
  it('of many types and numbers are declared in groups', () => {
    const made = make(['i'], ['i'], (f) => {
      const numbers = f.locals('i', 200);
      f.locals('v', 3);
      const real = f.local('f');
      f.f32(1.5).set(real);
      f.get(f.parameter(0)).set(numbers[199]!);
      f.get(numbers[199]!).tee(numbers[130]!).get(numbers[130]!).op('i32.add');
      f.get(real).op('f32.nearest').op('i32.trunc_sat_f32_s').op('i32.add');
    });
    expect(made.run(20)).toBe(42);
    expect(disassemble(made.bytes)).toMatch(/\(local i32 /);
  });

  it('are not parameters that the function does not have', () => {
    const f = new FunctionBuilder(['i'], []);
    f.local('i');
    expect(() => f.parameter(1)).toThrow('function has no parameter 1');
  });
});

describe('control', () => {
  it('repeat counts from start to end, at least once', () => {
    const range = fc.record({
      start: fc.integer({ min: -50, max: 50 }),
      end: fc.integer({ min: -50, max: 50 }),
      step: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(range, ({ start, end, step }) => {
        const made = make([], ['i'], (f) => {
          const [counter, rounds] = [f.local('i'), f.local('i')];
          f.repeat(counter, { start, end, step }, () => f.get(rounds).i32(1).op('i32.add').set(rounds));
          f.get(rounds);
        });
        expect(made.run()).toBe(Math.max(1, Math.ceil((end - start) / step)));
      }),
      { numRuns: 30 },
    );
  });

  it('branches reach the block that they name, however deep they lie', () => {
    // sum of 0..n−1, left as soon as it passes 20
    const made = make(['i'], ['i'], (f) => {
      const [counter, sum] = [f.local('i'), f.local('i')];
      f.block((leave) => {
        f.loop((again) => {
          f.block((skip) => {
            f.get(sum).i32(20).op('i32.le_s');
            skip();
            f.i32(1);
            leave();
          });
          f.get(sum).get(counter).op('i32.add').set(sum);
          f.get(counter).i32(1).op('i32.add').tee(counter).get(f.parameter(0)).op('i32.lt_s');
          again();
        });
      });
      f.get(sum);
    });
    expect(made.run(5)).toBe(10);
    expect(made.run(100)).toBe(21);
  });

  it('calls pass and return values', () => {
    const module = new ModuleBuilder(pages);
    const difference = module.function(['i', 'i'], ['i'], (f) =>
      f.get(f.parameter(0)).get(f.parameter(1)).op('i32.sub'),
    );
    module.export(
      'run',
      module.function(['i'], ['i'], (f) => f.i32(50).get(f.parameter(0)).call(difference)),
    );
    const memory = new WebAssembly.Memory({ ...pages, shared: true });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
    expect((exports['run'] as (n: number) => number)(8)).toBe(42);
  });
});

describe('a trap', () => {
  it('ends the call where it stands', () => {
    const made = make(['i'], ['i'], (f) => {
      f.block((breakIf) => {
        f.get(f.parameter(0));
        breakIf();
        f.trap();
      });
      f.i32(1);
    });
    expect(made.run(7)).toBe(1);
    expect(() => made.run(0)).toThrow('unreachable');
  });
});

describe('the stack', () => {
  const f = (params: readonly ValueType[] = ['i', 'f', 'v']): FunctionBuilder => new FunctionBuilder(params, []);
  const cases: [string, (f: FunctionBuilder) => unknown, string][] = [
    ['too few operands', (b) => b.i32(1).op('i32.add'), 'i32.add: expected i on the stack, got nothing'],
    ['an operand of another type', (b) => b.i32(1).f32(1).op('i32.add'), 'i32.add: expected i on the stack, got f'],
    [
      'operands in another order',
      (b) => b.get(b.parameter(2)).i32(0).op('v128.store'),
      'v128.store: expected v on the stack, got i',
    ],
    ['a local of another type', (b) => b.f32(1).set(b.parameter(0)), 'local.set: expected i on the stack, got f'],
    ['a tee of another type', (b) => b.f32(1).tee(b.parameter(2)), 'local.tee: expected v on the stack, got f'],
    [
      'a shuffle of one vector',
      (b) => b.get(b.parameter(2)).shuffle(new Array<number>(16).fill(0)),
      'i8x16.shuffle: expected v',
    ],
    [
      'an argument of another type',
      (b) => b.i32(1).call({ index: 0, params: ['f'], results: [] }),
      'call: expected f on the stack, got i',
    ],
    ['nothing to drop', (b) => b.drop(), 'drop: the stack is empty'],
    ['a branch without a condition', (b) => b.loop((again) => again()), 'br_if: expected i on the stack, got nothing'],
    [
      'a branch that leaves values',
      (b) =>
        b.loop((again) => {
          b.i32(1).i32(1);
          again();
        }),
      'br_if: values would be left on the stack',
    ],
    ['a block that leaves values', (b) => b.block(() => b.i32(1)), 'block leaves 1 values on the stack'],
    ['a block that takes from outside', (b) => b.i32(1).block(() => b.drop()), 'drop: the stack is empty'],
    ['values at the end', (b) => b.i32(1).body(), "function returns '', but leaves 'i'"],
    ['no result', () => new FunctionBuilder([], ['v']).body(), "function returns 'v', but leaves ''"],
  ];

  it.each(cases)('refuses %s when it is emitted', (_, emit, message) => {
    expect(() => emit(f())).toThrow(message);
  });

  it('is what it was after a block', () => {
    const made = make([], ['i'], (b) =>
      b
        .i32(40)
        .block(() => b.i32(7).drop())
        .i32(2)
        .op('i32.add'),
    );
    expect(made.run()).toBe(42);
  });
});
