import wabt from 'wabt';

const features = { simd: true, relaxed_simd: true, threads: true, bulk_memory: true, sat_float_to_int: true } as const;
const toolkit = await wabt();

/** The text form of a module by an independent toolkit; throws where that cannot read it. */
export function disassemble(bytes: Uint8Array): string {
  const module = toolkit.readWasm(bytes, { ...features, readDebugNames: false, check: true });
  try {
    return module.toText({ foldExprs: false, inlineExport: false });
  } finally {
    module.destroy();
  }
}

/** A module from its text form, by the same toolkit. */
export function assemble(text: string): Uint8Array {
  const module = toolkit.parseWat('module.wat', text, features);
  try {
    return new Uint8Array(module.toBinary({ canonicalize_lebs: true, write_debug_names: false }).buffer);
  } finally {
    module.destroy();
  }
}
