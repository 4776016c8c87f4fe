/** Value types by their letter in signatures. */
export const valueTypes = { i: 0x7f, l: 0x7e, f: 0x7d, d: 0x7c, v: 0x7b } as const;

/** i32, i64, f32, f64, v128. */
export type ValueType = keyof typeof valueTypes;

export interface Opcode {
  readonly code: readonly number[];
  /** Operand types, last on top of the stack. */
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Bytes of a memory access: the natural alignment, and the sign that an offset follows. */
  readonly access?: number;
  /** Lane index follows. */
  readonly lanes?: number;
}

const types = (letters: string): ValueType[] => Array.from(letters, (letter) => letter as ValueType);

function plain(code: number, signature: string, access?: number): Opcode {
  const [params = '', results = ''] = signature.split('>');
  return { code: [code], params: types(params), results: types(results), ...(access ? { access } : {}) };
}

/** An instruction of the SIMD prefix 0xfd: its number in LEB128. */
function simd(number: number, signature: string, extra: { access?: number; lanes?: number } = {}): Opcode {
  const code = number < 0x80 ? [0xfd, number] : [0xfd, (number & 0x7f) | 0x80, number >> 7];
  return { ...plain(0, signature), code, ...extra };
}

/** An instruction of the threads prefix 0xfe, on an aligned i32. */
function atomic(number: number, signature: string): Opcode {
  return { ...plain(0, signature, 4), code: [0xfe, number] };
}

/**
 * The instructions that kernels use, by the names of the specification.
 * Source: WebAssembly Core 2.0, 5.4 Instructions; relaxed SIMD and threads proposals, binary formats.
 */
export const opcodes = {
  'i32.load': plain(0x28, 'i>i', 4),
  'i32.load16_u': plain(0x2f, 'i>i', 2),
  'i32.load8_u': plain(0x2d, 'i>i', 1),
  'f32.load': plain(0x2a, 'i>f', 4),
  'f64.load': plain(0x2b, 'i>d', 8),
  'i32.store': plain(0x36, 'ii>', 4),
  'i32.store8': plain(0x3a, 'ii>', 1),
  'f32.store': plain(0x38, 'if>', 4),
  'f64.store': plain(0x39, 'id>', 8),
  'i64.store': plain(0x37, 'il>', 8),
  'i64.extend_i32_u': plain(0xad, 'i>l'),
  'i32.eqz': plain(0x45, 'i>i'),
  'i32.eq': plain(0x46, 'ii>i'),
  'i32.ne': plain(0x47, 'ii>i'),
  'i32.lt_s': plain(0x48, 'ii>i'),
  'i32.lt_u': plain(0x49, 'ii>i'),
  'i32.gt_s': plain(0x4a, 'ii>i'),
  'i32.le_s': plain(0x4c, 'ii>i'),
  'i32.ge_s': plain(0x4e, 'ii>i'),
  'i32.add': plain(0x6a, 'ii>i'),
  'i32.sub': plain(0x6b, 'ii>i'),
  'i32.mul': plain(0x6c, 'ii>i'),
  'i32.div_u': plain(0x6e, 'ii>i'),
  'i32.rem_u': plain(0x70, 'ii>i'),
  'i32.and': plain(0x71, 'ii>i'),
  'i32.or': plain(0x72, 'ii>i'),
  'i32.shl': plain(0x74, 'ii>i'),
  'i32.shr_s': plain(0x75, 'ii>i'),
  'f32.lt': plain(0x5d, 'ff>i'),
  'f32.gt': plain(0x5e, 'ff>i'),
  'f32.le': plain(0x5f, 'ff>i'),
  'f32.ge': plain(0x60, 'ff>i'),
  'f32.add': plain(0x92, 'ff>f'),
  'f32.sub': plain(0x93, 'ff>f'),
  'f32.mul': plain(0x94, 'ff>f'),
  'f32.div': plain(0x95, 'ff>f'),
  'f32.max': plain(0x97, 'ff>f'),
  'f32.nearest': plain(0x90, 'f>f'),
  'f64.add': plain(0xa0, 'dd>d'),
  'f64.div': plain(0xa3, 'dd>d'),
  'f64.promote_f32': plain(0xbb, 'f>d'),
  /** address, most threads to wake → woken. */
  'memory.atomic.notify': atomic(0x00, 'ii>i'),
  /** address, value that it must hold, nanoseconds → 0 woken, 1 other value, 2 time over. */
  'memory.atomic.wait32': atomic(0x01, 'iil>i'),
  'i32.atomic.load': atomic(0x10, 'i>i'),
  /** address, addend → value before. */
  'i32.atomic.rmw.add': atomic(0x1e, 'ii>i'),
  'i32.atomic.rmw.sub': atomic(0x25, 'ii>i'),
  'i32.trunc_sat_f32_s': { ...plain(0, 'f>i'), code: [0xfc, 0x00] },
  /** destination, source, bytes; both in memory 0. */
  'memory.copy': { ...plain(0, 'iii>'), code: [0xfc, 0x0a, 0x00, 0x00] },
  /** destination, byte, bytes. */
  'memory.fill': { ...plain(0, 'iii>'), code: [0xfc, 0x0b, 0x00] },
  'f32.convert_i32_s': plain(0xb2, 'i>f'),
  'v128.load': simd(0x00, 'i>v', { access: 16 }),
  'v128.load32_zero': simd(0x5c, 'i>v', { access: 4 }),
  'v128.load64_zero': simd(0x5d, 'i>v', { access: 8 }),
  'v128.load8_splat': simd(0x07, 'i>v', { access: 1 }),
  'v128.load16_splat': simd(0x08, 'i>v', { access: 2 }),
  'v128.load32_splat': simd(0x09, 'i>v', { access: 4 }),
  'v128.load64_splat': simd(0x0a, 'i>v', { access: 8 }),
  'v128.load8x8_s': simd(0x01, 'i>v', { access: 8 }),
  'v128.load8x8_u': simd(0x02, 'i>v', { access: 8 }),
  'v128.load16x4_s': simd(0x03, 'i>v', { access: 8 }),
  'v128.store': simd(0x0b, 'iv>', { access: 16 }),
  'v128.load32_lane': simd(0x56, 'iv>v', { access: 4, lanes: 4 }),
  'v128.load64_lane': simd(0x57, 'iv>v', { access: 8, lanes: 2 }),
  'v128.store8_lane': simd(0x58, 'iv>', { access: 1, lanes: 16 }),
  'v128.store32_lane': simd(0x5a, 'iv>', { access: 4, lanes: 4 }),
  'v128.store64_lane': simd(0x5b, 'iv>', { access: 8, lanes: 2 }),
  'i8x16.swizzle': simd(0x0e, 'vv>v'),
  'i8x16.splat': simd(0x0f, 'i>v'),
  'i16x8.splat': simd(0x10, 'i>v'),
  'i32x4.splat': simd(0x11, 'i>v'),
  'f32x4.splat': simd(0x13, 'f>v'),
  'f64x2.splat': simd(0x14, 'd>v'),
  'i32x4.extract_lane': simd(0x1b, 'v>i', { lanes: 4 }),
  'f32x4.extract_lane': simd(0x1f, 'v>f', { lanes: 4 }),
  'f64x2.extract_lane': simd(0x21, 'v>d', { lanes: 2 }),
  'i8x16.eq': simd(0x23, 'vv>v'),
  'f32x4.eq': simd(0x41, 'vv>v'),
  'f32x4.lt': simd(0x43, 'vv>v'),
  'f32x4.gt': simd(0x44, 'vv>v'),
  'f32x4.ge': simd(0x46, 'vv>v'),
  'f64x2.eq': simd(0x47, 'vv>v'),
  'f64x2.lt': simd(0x49, 'vv>v'),
  'f64x2.gt': simd(0x4a, 'vv>v'),
  'f64x2.le': simd(0x4b, 'vv>v'),
  'f64x2.ge': simd(0x4c, 'vv>v'),
  'v128.not': simd(0x4d, 'v>v'),
  'v128.and': simd(0x4e, 'vv>v'),
  'v128.andnot': simd(0x4f, 'vv>v'),
  'v128.or': simd(0x50, 'vv>v'),
  'v128.xor': simd(0x51, 'vv>v'),
  'v128.bitselect': simd(0x52, 'vvv>v'),
  'i8x16.narrow_i16x8_u': simd(0x66, 'vv>v'),
  'i8x16.narrow_i16x8_s': simd(0x65, 'vv>v'),
  'i8x16.sub': simd(0x71, 'vv>v'),
  'i8x16.min_u': simd(0x77, 'vv>v'),
  'i8x16.max_u': simd(0x79, 'vv>v'),
  'i16x8.narrow_i32x4_s': simd(0x85, 'vv>v'),
  'i16x8.extend_low_i8x16_s': simd(0x87, 'v>v'),
  'i16x8.extend_high_i8x16_s': simd(0x88, 'v>v'),
  'i16x8.extend_low_i8x16_u': simd(0x89, 'v>v'),
  'i16x8.extend_high_i8x16_u': simd(0x8a, 'v>v'),
  'i16x8.shr_s': simd(0x8c, 'vi>v'),
  'i16x8.shl': simd(0x8b, 'vi>v'),
  'i16x8.shr_u': simd(0x8d, 'vi>v'),
  'i16x8.add': simd(0x8e, 'vv>v'),
  'i16x8.add_sat_s': simd(0x8f, 'vv>v'),
  'i16x8.sub': simd(0x91, 'vv>v'),
  'i16x8.mul': simd(0x95, 'vv>v'),
  'i32x4.extend_low_i16x8_s': simd(0xa7, 'v>v'),
  'i32x4.extend_high_i16x8_s': simd(0xa8, 'v>v'),
  'i32x4.extend_low_i16x8_u': simd(0xa9, 'v>v'),
  'i32x4.extend_high_i16x8_u': simd(0xaa, 'v>v'),
  'i32x4.shl': simd(0xab, 'vi>v'),
  'i32x4.shr_s': simd(0xac, 'vi>v'),
  'i32x4.shr_u': simd(0xad, 'vi>v'),
  'i32x4.add': simd(0xae, 'vv>v'),
  'i32x4.sub': simd(0xb1, 'vv>v'),
  'i32x4.mul': simd(0xb5, 'vv>v'),
  'i32x4.min_s': simd(0xb6, 'vv>v'),
  'i32x4.max_s': simd(0xb8, 'vv>v'),
  'i32x4.dot_i16x8_s': simd(0xba, 'vv>v'),
  'f32x4.nearest': simd(0x6a, 'v>v'),
  'f32x4.add': simd(0xe4, 'vv>v'),
  'f32x4.sub': simd(0xe5, 'vv>v'),
  'f32x4.mul': simd(0xe6, 'vv>v'),
  'f32x4.div': simd(0xe7, 'vv>v'),
  'f32x4.min': simd(0xe8, 'vv>v'),
  'f32x4.max': simd(0xe9, 'vv>v'),
  'f32x4.pmin': simd(0xea, 'vv>v'),
  'f32x4.pmax': simd(0xeb, 'vv>v'),
  'i32x4.trunc_sat_f32x4_s': simd(0xf8, 'v>v'),
  'f32x4.convert_i32x4_s': simd(0xfa, 'v>v'),
  'f32x4.floor': simd(0x68, 'v>v'),
  'f32x4.ceil': simd(0x67, 'v>v'),
  'f32x4.abs': simd(0xe0, 'v>v'),
  'f32x4.neg': simd(0xe1, 'v>v'),
  'f32x4.sqrt': simd(0xe3, 'v>v'),
  'f32x4.demote_f64x2_zero': simd(0x5e, 'v>v'),
  'f64x2.promote_low_f32x4': simd(0x5f, 'v>v'),
  'f64x2.floor': simd(0x75, 'v>v'),
  'f64x2.abs': simd(0xec, 'v>v'),
  'f64x2.neg': simd(0xed, 'v>v'),
  'f64x2.sqrt': simd(0xef, 'v>v'),
  'f64x2.add': simd(0xf0, 'vv>v'),
  'f64x2.sub': simd(0xf1, 'vv>v'),
  'f64x2.mul': simd(0xf2, 'vv>v'),
  'f64x2.div': simd(0xf3, 'vv>v'),
  'f64x2.min': simd(0xf4, 'vv>v'),
  'f64x2.max': simd(0xf5, 'vv>v'),
  'f64x2.pmin': simd(0xf6, 'vv>v'),
  'f64x2.pmax': simd(0xf7, 'vv>v'),
  'f64x2.convert_low_i32x4_s': simd(0xfe, 'v>v'),
  'i32x4.trunc_sat_f64x2_s_zero': simd(0xfc, 'v>v'),
  'i64x2.extend_low_i32x4_s': simd(0xc7, 'v>v'),
  'i64x2.shl': simd(0xcb, 'vi>v'),
  'i64x2.shr_u': simd(0xcd, 'vi>v'),
  'i8x16.relaxed_swizzle': simd(0x100, 'vv>v'),
  'i8x16.relaxed_laneselect': simd(0x109, 'vvv>v'),
  'i16x8.relaxed_dot_i8x16_i7x16_s': simd(0x112, 'vv>v'),
  'i32x4.relaxed_dot_i8x16_i7x16_add_s': simd(0x113, 'vvv>v'),
} as const satisfies Record<string, Opcode>;

export type Instruction = keyof typeof opcodes;
