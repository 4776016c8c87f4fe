import { ANY, KEPT, PAD, type Sources } from './elements.ts';

/** One loop of a nest: how often, and by how many bytes source and target advance. */
export interface Loop {
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Bytes copied by nested loops:
 *
 *   for each loop, outermost first: copy `bytes` from `from` + Σ i · loop.from to `to` + Σ i · loop.to
 */
export interface Copy {
  /** Index of the input, or PAD. */
  readonly operand: number;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly loops: readonly Loop[];
}

interface Open {
  copy: Copy;
  count: number;
  from: number;
  to: number;
}

/** Folds copies of one operand that follow each other with the same shape and equal distances into one loop more. */
class Folder {
  readonly copies: Copy[] = [];
  #open: Open | undefined;

  add(copy: Copy): void {
    const open = this.#open;
    if (open && sameShape(open.copy, copy)) {
      const [from, to] = [copy.from - open.copy.from, copy.to - open.copy.to];
      if (open.count === 1) {
        this.#open = { ...open, count: 2, from, to };
        return;
      }
      if (from === open.count * open.from && to === open.count * open.to) {
        open.count++;
        return;
      }
    }
    this.close();
    this.#open = { copy, count: 1, from: 0, to: 0 };
  }

  close(): void {
    if (!this.#open) return;
    const { copy, count, from, to } = this.#open;
    this.copies.push(count === 1 ? copy : { ...copy, loops: [{ count, from, to }, ...copy.loops] });
    this.#open = undefined;
  }
}

function sameShape(a: Copy, b: Copy): boolean {
  return (
    a.bytes === b.bytes &&
    a.loops.length === b.loops.length &&
    a.loops.every((loop, at) => {
      const other = b.loops[at]!;
      return loop.count === other.count && loop.from === other.from && loop.to === other.to;
    })
  );
}

/** A table of sources as nested copies, as few as its regularity allows, to be done in this order. */
export function foldCopies(sources: Sources): readonly Copy[] {
  const copies = fold(foldRuns(sources));
  const pads = copies.filter(({ operand }) => operand === PAD);
  if (pads.length <= MOST_PADS) return copies;
  const everything = { operand: PAD, from: 0, to: 0, bytes: sources.operands.length * sources.elementBytes, loops: [] };
  return [everything, ...copies.filter(({ operand }) => operand !== PAD)];
}

/** Where padding lies in more nests than this, everything is filled before the rest is copied. */
const MOST_PADS = 8;

function fold(runs: readonly Copy[]): readonly Copy[] {
  let copies = runs;
  for (;;) {
    const folded = foldOnce(copies);
    if (folded.length === copies.length) return folded;
    copies = folded;
  }
}

function foldOnce(copies: readonly Copy[]): Copy[] {
  const folders = new Map<number, Folder>();
  for (const copy of copies) folderOf(folders, copy.operand).add(copy);
  return finish(folders);
}

function folderOf(folders: Map<number, Folder>, operand: number): Folder {
  const known = folders.get(operand);
  if (known) return known;
  const made = new Folder();
  folders.set(operand, made);
  return made;
}

function finish(folders: ReadonlyMap<number, Folder>): Copy[] {
  return [...folders.values()].flatMap((folder) => {
    folder.close();
    return folder.copies;
  });
}

/** Elements that lie side by side in source and target are one run; runs fold at once, so that no list of all is made. */
function foldRuns({ operands, offsets, elementBytes }: Sources): Copy[] {
  const folders = new Map<number, Folder>();
  for (let slot = 0; slot < operands.length;) {
    const operand = operands[slot]!;
    if (operand === ANY || operand === KEPT) {
      slot++;
      continue;
    }
    const start = slot;
    const follows = (at: number): boolean =>
      operands[at] === operand && (operand === PAD || offsets[at] === offsets[start]! + at - start);
    while (slot < operands.length && follows(slot)) slot++;
    const bytes = (slot - start) * elementBytes + roomOf(operands, start, slot);
    const from = operand === PAD ? 0 : offsets[start]! * elementBytes;
    folderOf(folders, operand).add({ operand, from, to: start * elementBytes, bytes, loops: [] });
  }
  return finish(folders);
}

/** Bytes of padding behind a run that may be written with it, so that it ends with a whole vector. */
function roomOf(operands: Int32Array, start: number, end: number): number {
  const missing = (16 - ((end - start) % 16)) % 16;
  for (let at = end; at < end + missing; at++) if (operands[at] !== ANY) return 0;
  return missing;
}
