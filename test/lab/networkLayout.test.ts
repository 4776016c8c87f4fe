import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layoutNetwork, type LayoutNode, type NetworkLayout } from '../../src/lab/page/networkLayout.ts';

const node = (id: string, ...reads: string[]): LayoutNode => ({ id, reads });

function placeOf({ nodes }: NetworkLayout, id: string): readonly [column: number, rank: number] {
  const found = nodes.find((candidate) => candidate.id === id)!;
  return [found.column, found.rank];
}

describe('the layout of a network', () => {
  it('draws a chain as one column', () => {
    const layout = layoutNetwork([node('a'), node('b', 'a'), node('c', 'b')]);
    expect(layout).toMatchObject({ columns: 1, ranks: 3, lanes: 0 });
    expect(layout.edges.every(({ way }) => way.kind === 'from')).toBe(true);
  });

  it('draws a shortcut without layers in a lane beside the trunk', () => {
    const layout = layoutNetwork([node('a'), node('b', 'a'), node('c', 'b'), node('sum', 'c', 'a')]);
    expect(layout).toMatchObject({ columns: 1, lanes: 1 });
    const shortcut = layout.edges.find(({ from, to }) => from.id === 'a' && to.id === 'sum');
    expect(shortcut?.way).toEqual({ kind: 'lane', lane: 0 });
  });

  it('draws side branches in columns of their own, which later branches use again', () => {
    const block = (from: string, name: string): LayoutNode[] => [
      { id: `${name}1`, reads: [from], weight: 4 },
      { id: `${name}2`, reads: [`${name}1`], weight: 4 },
      node(`${name}side`, from),
      node(name, `${name}2`, `${name}side`),
    ];
    const layout = layoutNetwork([node('a'), ...block('a', 'b'), ...block('b', 'c')]);
    expect(layout).toMatchObject({ columns: 2, lanes: 0, ranks: 7 });
    expect(placeOf(layout, 'b2')).toEqual([0, 2]);
    expect(placeOf(layout, 'bside')).toEqual([1, 1]);
    expect(placeOf(layout, 'cside')).toEqual([1, 4]);
  });

  it('draws nothing for nothing', () => {
    expect(layoutNetwork([])).toMatchObject({ nodes: [], edges: [], ranks: 0, lanes: 0 });
  });

  it('puts no two nodes in one place, and leads no edge through a node or along another lane', () => {
    const networks = fc
      .array(fc.array(fc.nat(), { minLength: 0, maxLength: 3 }), { minLength: 1, maxLength: 40 })
      .map((all) => all.map((reads, i) => node(String(i), ...(i === 0 ? [] : reads.map((r) => String(r % i))))));
    fc.assert(
      fc.property(networks, (nodes) => {
        const layout = layoutNetwork(nodes);
        const taken = new Map(layout.nodes.map(({ id, column, rank }) => [`${column},${rank}`, id]));
        expect(taken.size).toBe(nodes.length);
        expect(layout.edges).toHaveLength(nodes.reduce((sum, { reads }) => sum + new Set(reads).size, 0));
        for (const { from, to, way } of layout.edges) {
          expect(to.rank).toBeGreaterThan(from.rank);
          if (way.kind === 'lane') continue;
          const { column } = way.kind === 'from' ? from : to;
          for (let rank = from.rank + 1; rank < to.rank; rank++) expect(taken.has(`${column},${rank}`)).toBe(false);
        }
        const lanes = layout.edges.filter(({ way }) => way.kind === 'lane');
        for (const a of lanes)
          for (const b of lanes)
            if (a !== b && a.way.kind === 'lane' && b.way.kind === 'lane' && a.way.lane === b.way.lane)
              expect(a.to.rank <= b.from.rank || b.to.rank <= a.from.rank).toBe(true);
      }),
    );
  });
});
