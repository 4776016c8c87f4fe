import type { LayerReport } from '../report.ts';
import { decibels } from './format.ts';
import { html, type Markup } from './markup.ts';

/** Signal-to-noise ratios are drawn from 0 to this; int8 reaches about 50. */
const FULL_DB = 50;
const BAR_WIDTH = 56;

/** Classes of a level, worst first: what is below the bound is drawn so. */
const levels = [
  { below: 15, name: 'weak' },
  { below: 28, name: 'fair' },
  { below: Infinity, name: 'good' },
] as const;

/** A bar with its number: level by length, and by colour for the eye that skims. */
export function sqnrBar(value: number | null | undefined): Markup {
  if (value === undefined) return html`<span class="none">—</span>`;
  const db = value ?? FULL_DB;
  const width = Math.round((Math.min(Math.max(db, 0), FULL_DB) / FULL_DB) * BAR_WIDTH);
  const level = levels.find(({ below }) => db < below)?.name ?? 'good';
  return html`<span class="bar"
    ><svg width="${BAR_WIDTH}" height="10" viewBox="0 0 ${BAR_WIDTH} 10" aria-hidden="true">
      <rect class="track" width="${BAR_WIDTH}" height="10" rx="2" />
      <rect class="${level}" width="${width}" height="10" rx="2" /></svg
    >${decibels(value)}</span
  >`;
}

const chart = { width: 720, height: 200, left: 44, right: 12, top: 10, bottom: 24 };

/** How the noise grows through the network: accumulated SQNR, layer by layer. */
export function noiseChart(layers: readonly LayerReport[]): Markup | undefined {
  const points = layers.filter(({ accumulatedSqnrDb }) => typeof accumulatedSqnrDb === 'number');
  if (points.length < 3) return undefined;
  const values = points.map(({ accumulatedSqnrDb }) => accumulatedSqnrDb ?? 0);
  const high = Math.max(30, Math.ceil(Math.max(...values) / 10) * 10);
  const low = Math.min(0, Math.floor(Math.min(...values) / 10) * 10);
  const x = (i: number): number =>
    round(chart.left + (i / (points.length - 1)) * (chart.width - chart.left - chart.right));
  const y = (db: number): number =>
    round(chart.top + ((high - db) / (high - low)) * (chart.height - chart.top - chart.bottom));
  const ticks = Array.from({ length: (high - low) / 10 + 1 }, (_, i) => low + i * 10);
  const line = values.map((db, i) => `${x(i)},${y(db)}`).join(' ');
  return html`<figure>
    <div class="scroll">
      <svg
        class="chart"
        viewBox="0 0 ${chart.width} ${chart.height}"
        role="img"
        aria-label="Accumulated signal-to-noise ratio by layer, in decibels"
      >
        ${ticks.map(
          (db) =>
            html`<line class="grid" x1="${chart.left}" x2="${chart.width - chart.right}" y1="${y(db)}" y2="${y(db)}" />
              <text x="${chart.left - 6}" y="${y(db) + 4}" text-anchor="end">${db}</text>`,
        )}
        <text x="${chart.left}" y="${chart.height - 6}">first layer</text>
        <text x="${chart.width - chart.right}" y="${chart.height - 6}" text-anchor="end">last layer</text>
        <polyline class="line" points="${line}" />
        ${points.map(
          ({ name, opType }, i) =>
            html`<circle class="dot" cx="${x(i)}" cy="${y(values[i] ?? 0)}" r="3">
              <title>${name} (${opType}): ${decibels(values[i])}</title>
            </circle>`,
        )}
      </svg>
    </div>
    <figcaption>
      Signal over quantization noise (dB) after each layer, int8 against fp32 on the same samples. Each 6 dB less is
      twice the noise.
    </figcaption>
  </figure>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
