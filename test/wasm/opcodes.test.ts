import { describe, expect, it } from 'vitest';
import { ModuleBuilder, opcodes, type Instruction } from '../../src/wasm/index.ts';
import { assemble, disassemble } from './support/disassemble.ts';

const pages = { initial: 1, maximum: 2 };
const names = Object.keys(opcodes) as Instruction[];

/** A function that does one instruction on its parameters. */
function moduleOf(name: Instruction, immediate: { offset?: number; lane?: number } = {}): Uint8Array {
  const { params, results } = opcodes[name];
  const module = new ModuleBuilder(pages);
  const entry = module.function(params, results, (f) => {
    params.forEach((_, index) => f.get(f.parameter(index)));
    f.op(name, immediate);
  });
  module.export('f', entry);
  return module.bytes();
}

/** Instructions of the text form, without declarations. */
function instructionsOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().replace(/\)+$/, ''))
    .filter((line) => /^[a-z]+[0-9x]*\.|^memory\.(copy|fill|atomic)/.test(line) && !line.startsWith('local.'));
}

const hasAccess = (name: Instruction): boolean => 'access' in opcodes[name];
const lanesOf = (name: Instruction): number => ('lanes' in opcodes[name] ? opcodes[name].lanes : 0);

describe('the table of instructions', () => {
  it.each(names)('%s is what another disassembler calls so', (name) => {
    const bytes = moduleOf(name);
    expect(WebAssembly.validate(bytes)).toBe(true);
    const [found = '', ...others] = instructionsOf(disassemble(bytes));
    expect(others).toEqual([]);
    expect(found.split(' ')[0]).toBe(name);
  });

  it.each(names)('%s is assembled to the same bytes by another assembler', (name) => {
    const bytes = moduleOf(name);
    expect([...assemble(disassemble(bytes))]).toEqual([...bytes]);
  });

  it.each(names.filter(hasAccess))('%s takes an offset, at its natural alignment', (name) => {
    const text = disassemble(moduleOf(name, { offset: 70_000 }));
    expect(text).toContain(' offset=70000');
    expect(text).not.toContain('align=');
  });

  it.each(names.filter((name) => lanesOf(name) > 0))('%s takes each of its lanes and no other', (name) => {
    for (let lane = 0; lane < lanesOf(name); lane++) {
      const [found = ''] = instructionsOf(disassemble(moduleOf(name, { lane })));
      expect(found.split(' ').at(-1)).toBe(String(lane));
    }
    expect(() => moduleOf(name, { lane: lanesOf(name) })).toThrow(`${name} has no lane`);
    expect(() => moduleOf(name, { lane: -1 })).toThrow(`${name} has no lane`);
  });

  it('names no two instructions alike', () => {
    const codes = names.map((name) => opcodes[name].code.join());
    expect(new Set(codes).size).toBe(names.length);
  });
});
