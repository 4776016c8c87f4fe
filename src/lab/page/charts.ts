import type { LayerReport } from '../report.ts';
import { decibels } from './format.ts';
import { html, type Markup } from './markup.ts';
import { levelClass } from './noise.ts';

/** Signal-to-noise ratios are drawn from 0 to this; int8 reaches about 50. */
const FULL_DB = 50;
const BAR_WIDTH = 56;

/** A bar with its number: level by length, and by colour for the eye that skims. */
export function sqnrBar(value: number | null | undefined): Markup {
  if (value === undefined) return html`<span class="none">—</span>`;
  const width = Math.round((Math.min(Math.max(value ?? FULL_DB, 0), FULL_DB) / FULL_DB) * BAR_WIDTH);
  return html`<span class="bar"
    ><svg width="${BAR_WIDTH}" height="10" viewBox="0 0 ${BAR_WIDTH} 10" aria-hidden="true">
      <rect class="track" width="${BAR_WIDTH}" height="10" rx="2" />
      <rect class="${levelClass(value)}" width="${width}" height="10" rx="2" /></svg
    >${decibels(value)}</span
  >`;
}

/** A share of a whole as a bar. */
export function shareBar(share: number): Markup {
  return html`<svg class="share" width="96" height="10" viewBox="0 0 96 10" aria-hidden="true">
    <rect class="track" width="96" height="10" rx="2" />
    <rect class="mark" width="${Math.round(Math.min(share, 1) * 960) / 10}" height="10" rx="2" />
  </svg>`;
}

/** A plane with numbered grid lines for both axes. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  readonly label: (value: number) => string;
  /** Equal ratios are equally far apart. */
  readonly logarithmic?: boolean;
}

export const plane = { width: 760, height: 230, left: 52, right: 26, top: 12, bottom: 34 };

export function xOf(axis: Axis, value: number): number {
  return round(plane.left + shareOf(axis, value) * (plane.width - plane.left - plane.right));
}

export function yOf(axis: Axis, value: number): number {
  return round(plane.top + (1 - shareOf(axis, value)) * (plane.height - plane.top - plane.bottom));
}

/** Where a value lies between the ends of an axis, 0..1. */
function shareOf({ from, to, logarithmic = false }: Axis, value: number): number {
  if (logarithmic) return Math.log(value / from) / (Math.log(to / from) || 1);
  return (value - from) / (to - from || 1);
}

/** An axis from round numbers around the values, with about `count` of them marked. */
export function axisOf(values: readonly number[], label: (value: number) => string, count = 5): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rough = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { from: first * step, to: last * step, ticks, label };
}

/** Values above 0 that lie further apart than this factor are drawn by ratio. */
const WIDE = 8;

/** An axis for values above 0: by ratio from 1, 2 or 5 times a power of ten where they lie far apart. */
export function ratioAxisOf(values: readonly number[], label: (value: number) => string): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (low <= 0 || high / low < WIDE) return axisOf(values, label);
  const first = Math.floor(Math.log10(low));
  const steps = Array.from({ length: Math.ceil(Math.log10(high)) - first + 2 }, (_, i) => first + i).flatMap((power) =>
    [1, 2, 5].map((factor) => Number((factor * 10 ** power).toPrecision(1))),
  );
  const from = Math.max(...steps.filter((step) => step <= low));
  const to = Math.min(...steps.filter((step) => step >= high));
  return { from, to, ticks: steps.filter((step) => step >= from && step <= to), label, logarithmic: true };
}

/** A frame with grid lines and numbers; `content` is drawn in its plane. */
export function chart(
  label: string,
  { x, y }: { readonly x?: Axis; readonly y: Axis },
  content: readonly (Markup | readonly Markup[] | undefined)[],
): Markup {
  const [right, bottom] = [plane.width - plane.right, plane.height - plane.bottom];
  return html`<div class="scroll">
    <svg class="chart" viewBox="0 0 ${plane.width} ${plane.height}" role="img" aria-label="${label}">
      ${y.ticks.map(
        (value) =>
          html`<path class="grid" d="M${plane.left} ${yOf(y, value)}H${right}" /><text
              x="${plane.left - 8}"
              y="${yOf(y, value) + 4}"
              text-anchor="end"
              >${y.label(value)}</text
            >`,
      )}
      ${x?.ticks.map(
        (value) =>
          html`<path class="grid" d="M${xOf(x, value)} ${bottom}v5" /><text
              x="${xOf(x, value)}"
              y="${bottom + 18}"
              text-anchor="middle"
              >${x.label(value)}</text
            >`,
      )}
      ${content}
    </svg>
  </div>`;
}

/** Beyond these there is nothing left to lose, or nothing lost. */
function drawn(db: number): number {
  return Math.min(Math.max(db, 0), 60);
}

/** How the noise grows through the network: accumulated, and what each layer adds by its own rounding. */
export function noiseChart(layers: readonly LayerReport[]): Markup | undefined {
  const measured = layers.flatMap((layer, place) =>
    typeof layer.accumulatedSqnrDb === 'number' ? [{ layer, place, db: layer.accumulatedSqnrDb }] : [],
  );
  if (measured.length < 3) return undefined;
  const own = (of: (layer: LayerReport) => number | null | undefined): { place: number; db: number }[] =>
    layers.flatMap((layer, place) => {
      const db = of(layer);
      return typeof db === 'number' ? [{ place, db: drawn(db) }] : [];
    });
  const weights = own((layer) => layer.weights?.channelSqnrDb);
  const results = own((layer) => layer.activation?.localSqnrDb);
  const y = axisOf([0, 40, ...[...measured, ...weights, ...results].map(({ db }) => drawn(db))], String);
  const x: Axis = { from: 0, to: Math.max(1, layers.length - 1), ticks: [], label: String };
  const at = ({ place, db }: { place: number; db: number }): string => `${xOf(x, place)} ${yOf(y, drawn(db))}`;
  return html`<figure>
    ${chart('Signal-to-noise ratio by layer, in decibels', { y }, [
      html`<path class="squares" d="${weights.map((point) => `M${at(point)}m-3-3h6v6h-6z`).join('')}" />`,
      html`<path class="triangles" d="${results.map((point) => `M${at(point)}m0-4l4 7h-8z`).join('')}" />`,
      html`<path class="line" d="M${measured.map(at).join('L')}" />`,
      measured.map(
        ({ layer: { name, opType }, place, db }) =>
          html`<a href="#layer-${place + 1}"
            ><circle class="dot" cx="${xOf(x, place)}" cy="${yOf(y, drawn(db))}" r="3.5">
              <title>${name} (${opType}): ${decibels(db)}</title>
            </circle></a
          >`,
      ),
      html`<text x="${plane.left}" y="${plane.height - 12}">first layer</text>`,
      html`<text x="${plane.width - plane.right}" y="${plane.height - 12}" text-anchor="end">last layer</text>`,
    ])}
    <figcaption>
      Signal over noise in dB, int8 against fp32 on the same samples.
      <span class="key"
        ><svg width="22" height="10">
          <path class="line" d="M0 5H22" />
          <circle class="dot" cx="11" cy="5" r="3.5" />
        </svg>
        all errors up to here</span
      >
      <span class="key"
        ><svg width="10" height="10"><path class="squares" d="M1 1h8v8h-8z" /></svg> rounding of the weights alone</span
      >
      <span class="key"
        ><svg width="10" height="10"><path class="triangles" d="M5 1l4 8h-8z" /></svg> rounding of the result
        alone</span
      >
    </figcaption>
  </figure>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
