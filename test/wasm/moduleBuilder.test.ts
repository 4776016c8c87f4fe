import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { customSection, ModuleBuilder, type ValueType } from '../../src/wasm/index.ts';
import { Cursor, sectionsOf } from './support/decode.ts';
import { assemble, disassemble } from './support/disassemble.ts';

const pages = { initial: 1, maximum: 3 };
const SHARED_WITH_MAXIMUM = 3;

const cursorOf = (bytes: Uint8Array, id: number): Cursor => {
  const section = sectionsOf(bytes).find((each) => each.id === id);
  if (!section) throw new Error(`there is no section ${id}`);
  return new Cursor(section.content);
};

/** Any Unicode text, without lone surrogates. */
const names = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 90 }), { minLength: 1, maxLength: 6 });

describe('names', () => {
  it('are UTF-8 with their length in bytes, as other readers see them', () => {
    fc.assert(
      fc.property(names, (exported) => {
        const module = new ModuleBuilder(pages);
        const reference = module.function([], [], () => undefined);
        for (const name of exported) module.export(name, reference);
        const bytes = module.bytes();
        const cursor = cursorOf(bytes, 7);
        const found = cursor.list(() => ({ name: cursor.name(), kind: cursor.byte(), index: cursor.number() }));
        expect(found).toEqual(exported.map((name) => ({ name, kind: 0, index: 0 })));
        expect(cursor.atEnd).toBe(true);
        const memory = new WebAssembly.Memory({ ...pages, shared: true });
        const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
        expect(Object.keys(exports).toSorted()).toEqual(exported.toSorted());
      }),
      { numRuns: 50 },
    );
  });

  it('may be longer than 127 bytes', () => {
    const module = new ModuleBuilder(pages);
    const name = 'größe→'.repeat(60);
    module.export(
      name,
      module.function([], [], () => undefined),
    );
    const cursor = cursorOf(module.bytes(), 7);
    expect(cursor.list(() => [cursor.name(), cursor.byte(), cursor.number()])).toEqual([[name, 0, 0]]);
    expect(new TextEncoder().encode(name).length).toBeGreaterThan(127);
  });

  it('are exported once', () => {
    const module = new ModuleBuilder(pages);
    const reference = module.function([], [], () => undefined);
    module.export('run', reference);
    expect(() => module.export('run', reference)).toThrow("'run' is exported twice");
  });
});

const valueTypes: readonly ValueType[] = ['i', 'l', 'f', 'd', 'v'];
const signature = fc.record({
  params: fc.array(fc.constantFrom(...valueTypes), { maxLength: 4 }),
  result: fc.option(fc.constantFrom<ValueType[]>('i', 'f', 'v')),
});

describe('sections', () => {
  it('hold each signature once, and each function with its own', () => {
    fc.assert(
      fc.property(fc.array(signature, { minLength: 1, maxLength: 300 }), (signatures) => {
        const module = new ModuleBuilder(pages);
        for (const { params, result } of signatures)
          module.function(params, result === null ? [] : [result], (f) => {
            if (result === 'i') f.i32(1);
            if (result === 'f') f.f32(1);
            if (result === 'v') f.v128(new Uint8Array(16));
          });
        const bytes = module.bytes();
        expect(WebAssembly.validate(bytes)).toBe(true);
        expect(sectionsOf(bytes).map(({ id }) => id)).toEqual([1, 2, 3, 10]);
        const letters = new Map([0x7f, 0x7e, 0x7d, 0x7c, 0x7b].map((code, index) => [code, valueTypes[index]!]));
        const types = cursorOf(bytes, 1);
        const read = (): string => types.list(() => letters.get(types.byte())).join('');
        const found = types.list(() => (types.byte() === 0x60 ? `${read()}>${read()}` : 'not a function'));
        expect(new Set(found).size).toBe(found.length);
        const functions = cursorOf(bytes, 3);
        const declared = functions.list(() => found[functions.number()]);
        expect(declared).toEqual(signatures.map(({ params, result }) => `${params.join('')}>${result ?? ''}`));
      }),
      { numRuns: 30 },
    );
  });

  it('are left out where they are empty', () => {
    const bytes = new ModuleBuilder(pages).bytes();
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(sectionsOf(bytes).map(({ id }) => id)).toEqual([2]);
  });

  it('of more than 127 functions and bodies of more than 16383 bytes read back', () => {
    const module = new ModuleBuilder(pages);
    const references = Array.from({ length: 200 }, (_, index) =>
      module.function([], ['i'], (f) => {
        f.i32(0);
        for (let step = 0; step < (index === 199 ? 5_000 : 1); step++) f.i32(index).op('i32.add');
      }),
    );
    module.export('last', references[199]!);
    const bytes = module.bytes();
    expect(bytes.length).toBeGreaterThan(16_383);
    expect([...assemble(disassemble(bytes))]).toEqual([...bytes]);
    const memory = new WebAssembly.Memory({ ...pages, shared: true });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    expect((exports['last'] as () => number)()).toBe(199 * 5_000);
  });
});

describe('custom sections', () => {
  it('stand behind a module and change nothing', () => {
    const module = new ModuleBuilder(pages);
    module.export(
      'one',
      module.function([], ['i'], (f) => f.i32(1)),
    );
    const marked = Buffer.concat([module.bytes(), customSection('größe')]);
    const cursor = cursorOf(marked, 0);
    expect([cursor.name(), cursor.atEnd]).toEqual(['größe', true]);
    const memory = new WebAssembly.Memory({ ...pages, shared: true });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(marked), { env: { memory } });
    expect((exports['one'] as () => number)()).toBe(1);
  });
});

describe('memory', () => {
  const pagesOf = fc.record({ initial: fc.integer({ min: 1, max: 300 }), more: fc.integer({ min: 0, max: 300 }) });

  it('is imported, shared, with both of its limits', () => {
    fc.assert(
      fc.property(pagesOf, ({ initial, more }) => {
        const bytes = new ModuleBuilder({ initial, maximum: initial + more }).bytes();
        const cursor = cursorOf(bytes, 2);
        const imported = cursor.list(() => ({
          module: cursor.name(),
          name: cursor.name(),
          kind: cursor.byte(),
          flags: cursor.byte(),
          initial: cursor.number(),
          maximum: cursor.number(),
        }));
        expect(imported).toEqual([
          { module: 'env', name: 'memory', kind: 2, flags: SHARED_WITH_MAXIMUM, initial, maximum: initial + more },
        ]);
        expect(disassemble(bytes)).toContain(`(memory (;0;) ${initial} ${initial + more} shared)`);
      }),
      { numRuns: 30 },
    );
  });

  it('is seen by two instances at one time', () => {
    const module = new ModuleBuilder(pages);
    module.export(
      'put',
      module.function(['i', 'i'], [], (f) => f.get(f.parameter(0)).get(f.parameter(1)).op('i32.store')),
    );
    module.export(
      'get',
      module.function(['i'], ['i'], (f) => f.get(f.parameter(0)).op('i32.load')),
    );
    const memory = new WebAssembly.Memory({ ...pages, shared: true });
    const compiled = new WebAssembly.Module(module.bytes());
    const [one, other] = [0, 1].map(() => new WebAssembly.Instance(compiled, { env: { memory } }).exports);
    (one!['put'] as (at: number, value: number) => void)(1024, -77);
    expect((other!['get'] as (at: number) => number)(1024)).toBe(-77);
  });

  it('is not taken where it is smaller than the module needs', () => {
    const bytes = new ModuleBuilder({ initial: 2, maximum: 3 }).bytes();
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 3, shared: true });
    expect(() => new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })).toThrow(/memory/);
  });

  it('is filled and copied in bulk', () => {
    const module = new ModuleBuilder(pages);
    module.export(
      'run',
      module.function([], [], (f) => {
        f.i32(100).i32(0xab).i32(50).op('memory.fill');
        f.i32(120).i32(0).i32(8).op('memory.copy');
      }),
    );
    const memory = new WebAssembly.Memory({ ...pages, shared: true });
    const bytes = new Uint8Array(memory.buffer);
    bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
    (exports['run'] as () => void)();
    const expected = new Uint8Array(52).fill(0xab, 1, 51);
    expected.set([1, 2, 3, 4, 5, 6, 7, 8], 21);
    expect([...bytes.slice(99, 151)]).toEqual([...expected]);
  });
});
