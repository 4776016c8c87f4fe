import { plotStyle } from './plotStyle.ts';

/**
 * The page's look: one column, system fonts, light or dark as the reader's machine says, nothing loaded. The levels of
 * noise go from blue over pale sand to orange, which those who see no red or green tell apart.
 */
const base = `
:root {
  color-scheme: light dark;
  --ground: #f7f7f5; --panel: #ffffff; --ink: #1c2024; --soft: #5a6270; --edge: #dcdfe4; --track: #e9ebef;
  --line: #23649f; --mark: #4d8bc4; --before: #b06a1f;
  --pass: #e3f1f7; --fail: #fbe6dc; --unsure: #faf1da;
  --pass-edge: #2f79ad; --fail-edge: #c24d12; --unsure-edge: #b8860b;
  --level-0: #2b6cab; --level-1: #86b5da; --level-2: #dccb90; --level-3: #f0a558; --level-4: #b8450c; --level-none: #c9ced6;
  --ink-0: #ffffff; --ink-1: #10202f; --ink-2: #2b2a22; --ink-3: #2f1c05; --ink-4: #ffffff; --ink-none: #1c2024;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --panel: #1c2026; --ink: #e6e9ee; --soft: #9aa4b2; --edge: #333a45; --track: #2a303a;
    --line: #79b3ea; --mark: #4a86c0; --before: #e0a45c;
    --pass: #17293a; --fail: #3c231a; --unsure: #352d18;
    --pass-edge: #4f9bd6; --fail-edge: #ef7a3c; --unsure-edge: #d9a93c;
    --level-0: #255c96; --level-1: #6196c8; --level-2: #cbbc83; --level-3: #e59c50; --level-4: #c64e17; --level-none: #3c434e;
    --ink-0: #f2f7fc; --ink-1: #0c1722; --ink-2: #14130e; --ink-3: #201302; --ink-4: #ffffff; --ink-none: #e6e9ee;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 3.5rem; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 74rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 0.75rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 0.5rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
a { color: var(--line); text-underline-offset: 0.15em; }
b { font-weight: 600; }
.soft, figcaption, .none, dt { color: var(--soft); }
nav {
  position: sticky; top: 0; z-index: 1; display: flex; gap: 1.1rem; overflow-x: auto; margin: 1.5rem -1rem 0; padding: 0.6rem 1rem;
  background: var(--ground); border-bottom: 1px solid var(--edge); font-size: 0.9rem; scrollbar-width: thin;
}
nav a { white-space: nowrap; text-decoration: none; }
nav a:hover { text-decoration: underline; }
.verdict { border: 1px solid var(--edge); border-left-width: 6px; border-radius: 6px; padding: 1rem 1.25rem; }
.verdict strong { display: block; font-size: 1.15rem; }
.verdict ul { margin: 0.5rem 0 0; padding-left: 1.2rem; }
.verdict.pass { background: var(--pass); border-left-color: var(--pass-edge); }
.verdict.fail { background: var(--fail); border-left-color: var(--fail-edge); }
.verdict.notEnoughData { background: var(--unsure); border-left-color: var(--unsure-edge); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr)); gap: 0.75rem; margin: 1rem 0 0; }
.tile, .card { background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: 0.75rem 1rem; }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0.75rem; }
.cards p { margin: 0.35rem 0; }
.card b { overflow-wrap: anywhere; }
.advice { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; align-items: baseline; }
.gain, .badge { border-radius: 999px; padding: 0.05rem 0.6rem; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
.gain { background: var(--pass); border: 1px solid var(--pass-edge); }
.badge { background: var(--level-4); color: var(--ink-4); font-size: 0.75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.4rem 0.9rem 0.4rem 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
thead th:empty { padding: 0; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 8rem; }
td { white-space: nowrap; }
#reproduce td { white-space: normal; min-width: 12rem; }
pre { background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: 0.75rem 1rem; overflow-x: auto; font-size: 0.85rem; }
code { overflow-wrap: anywhere; font-size: 0.85em; }
details { margin: 0.5rem 0; }
summary { cursor: pointer; }
.rows { border-top: 1px solid var(--edge); margin: 1rem 0; font-size: 0.9rem; }
.rows details { margin: 0; border-bottom: 1px solid var(--edge); }
.row {
  display: grid; grid-template-columns: 2.2rem minmax(10rem, 1fr) 8.5rem 8.5rem 4.5rem; gap: 0 0.75rem; align-items: center;
  padding: 0.4rem 0.6rem; font-variant-numeric: tabular-nums;
}
.row.head { color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--edge); }
summary.row { list-style: none; }
summary.row::-webkit-details-marker { display: none; }
summary.row:hover, details[open] > summary.row { background: var(--panel); }
.layer-name { overflow-wrap: anywhere; }
.layer-name b { font-weight: 500; }
.worst > summary { box-shadow: inset 4px 0 0 var(--level-4);}
.detail { padding: 0.5rem 0.6rem 1.25rem; scroll-margin-top: 6rem; }
dl { margin: 0; }
.detail dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 0.25rem 1.5rem; }
dl > div { display: flex; gap: 0.5rem; min-width: 0; }
.detail dt { flex: 0 0 8.5rem; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.gallery { list-style: none; margin: 1rem 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 0.75rem; }
.gallery .card { display: flex; gap: 0.9rem; margin: 0; font-size: 0.85rem; }
.gallery img { flex: none; width: 6rem; height: 6rem; object-fit: contain; background: var(--track); border-radius: 4px; image-rendering: auto; }
.gallery dl { min-width: 0; }
.gallery dt { flex: 0 0 2.6rem; }
@media (max-width: 42rem) {
  .row { grid-template-columns: 1.8rem 1fr 1fr; }
  .row > :nth-child(2) { grid-column: 2 / 4; }
  .row > :nth-child(3) { grid-column: 2; }
  .row > :nth-child(4) { grid-column: 3; }
  .row > :nth-child(5) { display: none; }
  .detail dt { flex-basis: 7rem; }
  .interval { display: block; }
  #comparison td, #comparison tbody th { min-width: 0; padding-right: 0.6rem; white-space: normal; overflow-wrap: normal; }
}
@media print { nav, .zooms > input, .zooms > label { display: none; } .scroll { overflow: visible; } }
`;

export const style = base + plotStyle;
