/** The look of what is drawn: the network, charts and plots. */
export const plotStyle = `
.level-0 { fill: var(--level-0); background: var(--level-0); } .level-1 { fill: var(--level-1); background: var(--level-1); }
.level-2 { fill: var(--level-2); background: var(--level-2); } .level-3 { fill: var(--level-3); background: var(--level-3); }
.level-4 { fill: var(--level-4); background: var(--level-4); } .level-none { fill: var(--level-none); background: var(--level-none); }
.ink.level-0 { fill: var(--ink-0); } .ink.level-1 { fill: var(--ink-1); } .ink.level-2 { fill: var(--ink-2); }
.ink.level-3 { fill: var(--ink-3); } .ink.level-4 { fill: var(--ink-4); } .ink.level-none { fill: var(--ink-none); }
.bar { display: inline-flex; align-items: center; gap: 0.5rem; }
.track { fill: var(--track); }
.mark { fill: var(--mark); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; margin: 0.75rem 0; padding: 0; font-size: 0.85rem; }
.legend li { display: flex; align-items: center; gap: 0.4rem; }
.swatch { width: 1.1rem; height: 0.8rem; border-radius: 3px; }
.zooms { --zoom: 1; font-size: 0.85rem; }
.zooms > input { margin: 0 0.3rem 0 0; vertical-align: middle; accent-color: var(--line); }
.zooms > label { margin-right: 1rem; }
#zoom-small:checked ~ .pieces { --zoom: 0.45; }
#zoom-large:checked ~ .pieces { --zoom: 1.5; }
.pieces {
  display: flex; flex-wrap: wrap; align-items: flex-start; gap: 0 1.25rem; max-height: 40rem; overflow: auto; margin-top: 0.5rem;
  padding: 0.75rem; background: var(--panel); border: 1px solid var(--edge); border-radius: 6px;
}
@media (min-width: 42rem) { .pieces { row-gap: 1.75rem; } }
.piece { display: block; flex: none; height: auto; }
.edges { fill: none; stroke: var(--soft); stroke-width: 1.4; }
.node { text-decoration: none; }
.node text { font: 11px system-ui, sans-serif; }
.node .op, .node .db { font-weight: 600; }
.node .db { font-variant-numeric: tabular-nums; }
.node .name { font-size: 10px; }
.node .split { stroke: var(--panel); stroke-width: 1.5; }
.node:hover rect, .node:focus-visible rect { stroke: var(--ink); stroke-width: 2; }
.node:focus-visible { outline: none; }
.input rect { fill: var(--panel); stroke: var(--soft); stroke-dasharray: 4 3; }
.input text { fill: var(--ink); }
figure { margin: 1rem 0; }
figcaption { font-size: 0.85rem; }
.key { white-space: nowrap; margin-left: 0.9rem; }
.key svg { vertical-align: middle; }
.chart { width: 100%; min-width: 34rem; height: auto; display: block; }
.chart text, .plot text { fill: var(--soft); font: 11px system-ui, sans-serif; }
@media (max-width: 42rem) { .chart text { font-size: 15px; } }
.grid { stroke: var(--edge); }
.line { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round; }
.dot { fill: var(--panel); stroke: var(--line); stroke-width: 2; }
.dot.chosen { fill: var(--line); }
.dot.beaten { stroke: var(--soft); stroke-width: 1.5; }
.squares { fill: none; stroke: var(--before); stroke-width: 1.3; }
.triangles { fill: none; stroke: var(--soft); stroke-width: 1.3; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); gap: 0.75rem 1.25rem; margin-top: 0.75rem; }
.plot { margin: 0; min-width: 0; }
.plot svg { display: block; width: 100%; height: auto; background: var(--panel); border: 1px solid var(--edge); border-radius: 4px; }
.plot figcaption { font-size: 0.8rem; margin-top: 0.25rem; }
.plot figcaption b { color: var(--ink); }
.axis { fill: none; stroke: var(--soft); }
.bars { fill: none; stroke: var(--mark); }
.area { fill: var(--mark); }
.before { fill: none; stroke: var(--before); stroke-width: 1.5; stroke-dasharray: 4 3; }
.threshold { fill: none; stroke: var(--fail-edge); stroke-width: 1.5; stroke-dasharray: 3 2; }
`;
