import { invariant } from '../base/index.ts';
import { signedLeb, unsignedLeb } from './leb128.ts';
import { opcodes, valueTypes, type Instruction, type Opcode, type ValueType } from './opcodes.ts';

/** A local variable of a function. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

const UNREACHABLE = 0x00;
const BLOCK = 0x02;
const LOOP = 0x03;
const END = 0x0b;
const BRANCH_IF = 0x0d;
const CALL = 0x10;
const DROP = 0x1a;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const EMPTY_BLOCK = 0x40;

/** The body of one function. Every instruction checks the types it finds on a virtual stack when it is emitted. */
export class FunctionBuilder {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly #locals: Local[];
  readonly #code: number[] = [];
  #stack: ValueType[] = [];
  #depth = 0;

  constructor(params: readonly ValueType[], results: readonly ValueType[]) {
    this.params = params;
    this.results = results;
    this.#locals = params.map((type, index) => ({ index, type }));
  }

  parameter(index: number): Local {
    const local = this.#locals[index];
    invariant(local && index < this.params.length, `function has no parameter ${index}`);
    return local;
  }

  local(type: ValueType): Local {
    const local = { index: this.#locals.length, type };
    this.#locals.push(local);
    return local;
  }

  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  get(local: Local): this {
    this.#write(LOCAL_GET, ...unsignedLeb(local.index));
    this.#stack.push(local.type);
    return this;
  }

  set(local: Local): this {
    this.#pop(local.type, 'local.set');
    return this.#write(LOCAL_SET, ...unsignedLeb(local.index));
  }

  tee(local: Local): this {
    this.#pop(local.type, 'local.tee');
    this.#stack.push(local.type);
    return this.#write(LOCAL_TEE, ...unsignedLeb(local.index));
  }

  i32(value: number): this {
    this.#stack.push('i');
    return this.#write(0x41, ...signedLeb(value));
  }

  /** An i64 that fits 32 bits. */
  i64(value: number): this {
    invariant(value === (value | 0), `${value} does not fit 32 bits`);
    this.#stack.push('l');
    return this.#write(0x42, ...signedLeb(value));
  }

  f32(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.#stack.push('f');
    return this.#write(0x43, ...bytes);
  }

  f64(value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.#stack.push('d');
    return this.#write(0x44, ...bytes);
  }

  /** A v128 constant from its 16 bytes. */
  v128(bytes: ArrayLike<number>): this {
    invariant(bytes.length === 16, `a v128 has 16 bytes, not ${bytes.length}`);
    this.#stack.push('v');
    return this.#write(0xfd, 0x0c, ...Array.from(bytes));
  }

  /** i8x16.shuffle: lane i of the result is byte lanes[i] of the two operands laid end to end. */
  shuffle(lanes: readonly number[]): this {
    invariant(lanes.length === 16 && lanes.every((lane) => lane >= 0 && lane < 32), 'a shuffle has 16 lanes in 0..31');
    this.#pop('v', 'i8x16.shuffle');
    this.#pop('v', 'i8x16.shuffle');
    this.#stack.push('v');
    return this.#write(0xfd, 0x0d, ...lanes);
  }

  /** Any instruction of the table; `immediate` is the byte offset of a memory access, or a lane. */
  op(name: Instruction, immediate: { readonly offset?: number; readonly lane?: number } = {}): this {
    const opcode: Opcode = opcodes[name];
    for (const type of [...opcode.params].reverse()) this.#pop(type, name);
    this.#stack.push(...opcode.results);
    this.#write(...opcode.code);
    if (opcode.access !== undefined) this.#write(Math.log2(opcode.access), ...unsignedLeb(immediate.offset ?? 0));
    if (opcode.lanes !== undefined) {
      const lane = immediate.lane ?? 0;
      invariant(lane >= 0 && lane < opcode.lanes, `${name} has no lane ${lane}`);
      this.#write(lane);
    }
    return this;
  }

  call(callee: {
    readonly index: number;
    readonly params: readonly ValueType[];
    readonly results: readonly ValueType[];
  }): this {
    for (const type of [...callee.params].reverse()) this.#pop(type, 'call');
    this.#stack.push(...callee.results);
    return this.#write(CALL, ...unsignedLeb(callee.index));
  }

  /** Ends the call with a trap. */
  trap(): this {
    return this.#write(UNREACHABLE);
  }

  drop(): this {
    invariant(this.#stack.pop() !== undefined, 'drop: the stack is empty');
    return this.#write(DROP);
  }

  /** loop … end; `body` gets a function that branches back to the start when the i32 on the stack is not 0. */
  loop(body: (continueIf: () => void) => void): this {
    return this.#nested(LOOP, body);
  }

  /** block … end; `body` gets a function that leaves the block when the i32 on the stack is not 0. */
  block(body: (breakIf: () => void) => void): this {
    return this.#nested(BLOCK, body);
  }

  #nested(kind: number, body: (branchIf: () => void) => void): this {
    const outer = this.#stack;
    this.#stack = [];
    this.#write(kind, EMPTY_BLOCK);
    const depth = ++this.#depth;
    body(() => {
      this.#pop('i', 'br_if');
      invariant(this.#stack.length === 0, 'br_if: values would be left on the stack');
      this.#write(BRANCH_IF, ...unsignedLeb(this.#depth - depth));
    });
    invariant(this.#stack.length === 0, `block leaves ${this.#stack.length} values on the stack`);
    this.#depth--;
    this.#stack = outer;
    return this.#write(END);
  }

  /** for (counter = start; counter < end; counter += step) body(); runs at least once. */
  repeat(counter: Local, range: { start: number | Local; end: number | Local; step: number }, body: () => void): this {
    const push = (bound: number | Local): this => (typeof bound === 'number' ? this.i32(bound) : this.get(bound));
    push(range.start).set(counter);
    return this.loop((continueIf) => {
      body();
      this.get(counter).i32(range.step).op('i32.add').tee(counter);
      push(range.end).op('i32.lt_s');
      continueIf();
    });
  }

  /** Local declarations and code, with its size in front. Source: WebAssembly Core 2.0, 5.5.13 Code Section. */
  body(): number[] {
    invariant(
      this.#stack.join('') === this.results.join(''),
      `function returns '${this.results.join('')}', but leaves '${this.#stack.join('')}'`,
    );
    const groups: { type: ValueType; count: number }[] = [];
    for (const { type } of this.#locals.slice(this.params.length)) {
      const last = groups.at(-1);
      if (last?.type === type) last.count++;
      else groups.push({ type, count: 1 });
    }
    const declarations = groups.flatMap(({ type, count }) => [...unsignedLeb(count), valueTypes[type]]);
    const bytes = [...unsignedLeb(groups.length), ...declarations];
    for (const byte of this.#code) bytes.push(byte);
    bytes.push(END);
    return bytes;
  }

  #pop(expected: ValueType, name: string): void {
    const found = this.#stack.pop();
    invariant(found === expected, `${name}: expected ${expected} on the stack, got ${found ?? 'nothing'}`);
  }

  #write(...bytes: number[]): this {
    for (const byte of bytes) this.#code.push(byte);
    return this;
  }
}
