import type { NodeLatency, Report } from '../report.ts';
import { shareBar } from './charts.ts';
import { ms, NONE, percent } from './format.ts';
import { html, table, type Markup } from './markup.ts';

/** Nodes that are shown before the others are asked for. */
const SHOWN = 12;

/** Where the time of an inference goes, node by node. */
export function timesSection({ latency, layers }: Report): Markup | undefined {
  const { nodes = [], fp32 } = latency;
  if (nodes.length === 0) return undefined;
  const slowest = Math.max(...nodes.map(({ int8 }) => int8.p50Ms));
  const total = nodes.reduce((sum, { int8 }) => sum + int8.p50Ms, 0);
  const places = new Map(layers.map(({ name }, i) => [name, i + 1]));
  const both = nodes.some((node) => node.fp32 !== undefined);
  const ranked = nodes.toSorted((a, b) => b.int8.p50Ms - a.int8.p50Ms);
  const rows = (some: readonly NodeLatency[]): Markup =>
    table(
      ['Node', 'Share', '', 'int8 p50', 'p90', 'p99', ...(both ? ['fp32 p50', 'p90', 'p99'] : []), 'GMAC/s', 'Kernel'],
      some.map(({ name, int8, fp32: float, macs, kernel }) => [
        places.has(name) ? html`<a href="#layer-${places.get(name)}">${name}</a>` : name,
        shareBar(slowest === 0 ? 0 : int8.p50Ms / slowest),
        percent(total === 0 ? 0 : int8.p50Ms / total, 1),
        ms(int8.p50Ms),
        ms(int8.p90Ms),
        ms(int8.p99Ms),
        ...(both ? [ms(float?.p50Ms), ms(float?.p90Ms), ms(float?.p99Ms)] : []),
        macs > 0 && int8.p50Ms > 0 ? (macs / int8.p50Ms / 1e6).toFixed(1) : NONE,
        kernel,
      ]),
    );
  return html`<section id="times">
    <h2>Where the time goes</h2>
    <p class="soft">
      Times of the int8 nodes on one thread, the slowest first; timing each costs a little itself, so that they add up
      to more than an inference.
      ${
        both
          ? `Beside them what ${fp32?.runner ?? 'the float executor'} takes for the same node and what is fused into it; what it adds of its own, such as changes of layout, is in none.`
          : undefined
      }
      ${
        both || fp32 === undefined
          ? undefined
          : `What runs fp32 (${fp32.runner}) gives no times of single nodes: it takes ${ms(fp32.p50Ms)} in all.`
      }
    </p>
    ${rows(ranked.slice(0, SHOWN))}
    ${
      ranked.length > SHOWN
        ? html`<details>
            <summary>The other ${ranked.length - SHOWN} nodes</summary>
            ${rows(ranked.slice(SHOWN))}
          </details>`
        : undefined
    }
  </section>`;
}
