/** The page's look: one column, system fonts, light or dark as the reader's machine says, nothing loaded. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #fbfbfa; --panel: #ffffff; --ink: #1d1f23; --soft: #5d6470; --edge: #dcdfe4; --track: #e9ebef;
  --line: #2f6fb3; --good: #3f8f5f; --fair: #c08a1e; --weak: #c2453c;
  --pass: #e4f3e9; --fail: #fbe6e4; --unsure: #fdf2d9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #16181c; --panel: #1e2127; --ink: #e8eaee; --soft: #9aa3b0; --edge: #343944; --track: #2b303a;
    --line: #6ea8e6; --good: #5cb583; --fair: #d9a945; --weak: #e8756b;
    --pass: #1b3326; --fail: #3d2220; --unsure: #3a301a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0.75rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
.soft, figcaption, .none { color: var(--soft); }
.verdict { border: 1px solid var(--edge); border-left-width: 6px; border-radius: 6px; padding: 1rem 1.25rem; }
.verdict strong { display: block; font-size: 1.15rem; }
.verdict ul { margin: 0.5rem 0 0; padding-left: 1.2rem; }
.verdict.pass { background: var(--pass); border-left-color: var(--good); }
.verdict.fail { background: var(--fail); border-left-color: var(--weak); }
.verdict.notEnoughData { background: var(--unsure); border-left-color: var(--fair); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.75rem; margin: 1rem 0 0; }
.tile { background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: 0.75rem 1rem; }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.35rem 0.75rem 0.35rem 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 8rem; }
td { white-space: nowrap; }
td.wrap { white-space: normal; }
.bar { display: inline-flex; align-items: center; gap: 0.5rem; }
.track { fill: var(--track); }
.good { fill: var(--good); } .fair { fill: var(--fair); } .weak { fill: var(--weak); }
figure { margin: 1rem 0; }
figcaption { font-size: 0.85rem; }
.chart { width: 100%; min-width: 30rem; height: auto; display: block; }
.chart text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--edge); }
.line { fill: none; stroke: var(--line); stroke-width: 2; }
.dot { fill: var(--panel); stroke: var(--line); stroke-width: 2; }
.layer { background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: 0.75rem 1rem; margin: 0.5rem 0; }
.layer b { overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: 0.75rem 1rem; overflow-x: auto; font-size: 0.85rem; }
code { overflow-wrap: anywhere; font-size: 0.85em; }
summary { cursor: pointer; }
@media print { .scroll { overflow: visible; } details { display: block; } }
`;
