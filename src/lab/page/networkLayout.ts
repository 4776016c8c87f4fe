/** A node of a drawing; what it reads must come before it. */
export interface LayoutNode {
  readonly id: string;
  readonly reads: readonly string[];
  /** What a path through it counts for when the trunk is chosen; 1 if absent. */
  readonly weight?: number;
}

/** Columns count from the trunk (0) to the right, ranks from the inputs down. */
export interface PlacedNode {
  readonly id: string;
  readonly column: number;
  readonly rank: number;
}

/**
 * How an edge gets from one node down to the other: straight down its own column (`from`) or its reader's (`to`), with
 * one turn where they differ, or down a lane of its own to the left of the trunk (0 is next to it).
 */
export interface PlacedEdge {
  readonly from: PlacedNode;
  readonly to: PlacedNode;
  readonly way: { readonly kind: 'from' | 'to' } | { readonly kind: 'lane'; readonly lane: number };
}

export interface NetworkLayout {
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
  readonly columns: number;
  readonly ranks: number;
  readonly lanes: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** The lowest of the tracks in which nothing overlaps the span, which is then taken there; spans may touch. */
function takeTrack(tracks: Span[][], span: Span): number {
  const free = tracks.findIndex((taken) => taken.every(({ start, end }) => end <= span.start || start >= span.end));
  const track = free < 0 ? tracks.length : free;
  (tracks[track] ??= []).push(span);
  return track;
}

interface Network {
  readonly parents: readonly (readonly number[])[];
  readonly children: readonly (readonly number[])[];
  readonly ranks: readonly number[];
  /** Weight of the heaviest way to an end. */
  readonly heights: readonly number[];
}

function networkOf(nodes: readonly LayoutNode[]): Network {
  const places = new Map(nodes.map(({ id }, i) => [id, i]));
  const parents = nodes.map(({ reads }, i) =>
    [...new Set(reads)].flatMap((id) => places.get(id) ?? []).filter((parent) => parent < i),
  );
  const children = nodes.map((): number[] => []);
  for (const [i, above] of parents.entries()) for (const parent of above) children[parent]?.push(i);
  const ranks: number[] = [];
  for (const above of parents) ranks.push(Math.max(-1, ...above.map((parent) => ranks[parent] ?? 0)) + 1);
  const heights = nodes.map(({ weight = 1 }) => weight);
  for (let i = nodes.length - 1; i >= 0; i--)
    heights[i] = (heights[i] ?? 0) + Math.max(0, ...(children[i] ?? []).map((child) => heights[child] ?? 0));
  return { parents, children, ranks, heights };
}

/**
 * Layers by longest distance from the inputs. The heaviest path is the trunk; what branches off goes, chain by chain, into
 * the first column to its right that is free from where it leaves to where it comes back. Linear but for the search of
 * free columns: 500 nodes take milliseconds.
 */
export function layoutNetwork(nodes: readonly LayoutNode[]): NetworkLayout {
  const network = networkOf(nodes);
  const columns = columnsOf(network);
  const placed = nodes.map(({ id }, i): PlacedNode => ({ id, column: columns[i] ?? 0, rank: network.ranks[i] ?? 0 }));
  const taken = new Set(placed.map(({ column, rank }) => `${column},${rank}`));
  const isFree = (column: number, { start, end }: Span): boolean => {
    for (let rank = start + 1; rank < end; rank++) if (taken.has(`${column},${rank}`)) return false;
    return true;
  };
  const pairs = placed.flatMap((to, i) =>
    (network.parents[i] ?? []).flatMap((parent) => {
      const from = placed[parent];
      return from === undefined ? [] : [{ from, to, span: { start: from.rank, end: to.rank } }];
    }),
  );
  const lanes: Span[][] = [];
  const edges = pairs
    .sort((a, b) => a.span.end - a.span.start - (b.span.end - b.span.start))
    .map(({ from, to, span }): PlacedEdge => {
      if (isFree(from.column, span)) return { from, to, way: { kind: 'from' } };
      if (isFree(to.column, span)) return { from, to, way: { kind: 'to' } };
      return { from, to, way: { kind: 'lane', lane: takeTrack(lanes, span) } };
    });
  return {
    nodes: placed,
    edges,
    columns: Math.max(0, ...columns) + 1,
    ranks: Math.max(-1, ...network.ranks) + 1,
    lanes: lanes.length,
  };
}

function columnsOf({ parents, children, ranks, heights }: Network): number[] {
  const columns: (number | undefined)[] = ranks.map(() => undefined);
  const rankOf = (i: number): number => ranks[i] ?? 0;
  const heightOf = (i: number): number => heights[i] ?? 0;
  const highest = (candidates: readonly number[]): number | undefined =>
    candidates.toSorted((a, b) => heightOf(b) - heightOf(a))[0];
  /** The heaviest way down from a node through nodes that have no column yet. */
  const chainFrom = (first: number): number[] => {
    const chain = [first];
    for (let at: number | undefined = first; at !== undefined;) {
      at = highest((children[at] ?? []).filter((child) => columns[child] === undefined));
      if (at !== undefined) chain.push(at);
    }
    return chain;
  };
  const tracks: Span[][] = [];
  for (const first of [highest([...ranks.keys()]) ?? 0, ...ranks.keys()]) {
    if (columns[first] !== undefined || ranks.length === 0) continue;
    const chain = chainFrom(first);
    const last = chain.at(-1) ?? first;
    const start = Math.max(-1, ...(parents[first] ?? []).map(rankOf));
    const end = Math.max(rankOf(last) + 1, ...(children[last] ?? []).map(rankOf));
    // The trunk has the first track to itself.
    const column =
      tracks.length === 0 ? takeTrack(tracks, { start: -Infinity, end: Infinity }) : takeTrack(tracks, { start, end });
    for (const i of chain) columns[i] = column;
  }
  return columns.map((column) => column ?? 0);
}
