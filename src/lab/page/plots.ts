import { FIRST_OCTAVE, OCTAVES } from '../layerSchema.ts';
import type { LayerReport } from '../report.ts';
import { percent } from './format.ts';
import { html, type Markup } from './markup.ts';

type Weights = NonNullable<LayerReport['weights']>;
type Activation = NonNullable<LayerReport['activation']>;

/** Small plots of a layer: pixels. */
const frame = { width: 300, height: 120, top: 8, bottom: 20, left: 4, right: 4 };
const base = frame.height - frame.bottom;
const inner = { width: frame.width - frame.left - frame.right, height: base - frame.top };

function plot(label: string, content: readonly (Markup | undefined)[], caption: Markup): Markup {
  return html`<figure class="plot">
    <svg viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="${label}">${content}</svg>
    <figcaption>${caption}</figcaption>
  </figure>`;
}

/** A short number for an axis. */
function tick(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  return size >= 1e4 || size < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function caption(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end' = 'start'): Markup {
  return html`<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${text}</text>`;
}

/** Ranges of weights, a bar a channel, the widest first. */
export function rangePlot(
  { min, max }: { readonly min: readonly number[]; readonly max: readonly number[] },
  title: string,
  detail: string,
): Markup {
  const [low, high] = [Math.min(0, ...min), Math.max(0, ...max)];
  const y = (value: number): number => frame.top + ((high - value) / (high - low || 1)) * inner.height;
  const step = inner.width / min.length;
  const bars = min.map((from, i) => {
    const x = round(frame.left + (i + 0.5) * step);
    const [bottom, top] = [y(from), y(max[i] ?? 0)];
    // A range too small to be seen stays a hairline.
    return `M${x} ${round(Math.max(bottom, top + 0.6))}V${round(top)}`;
  });
  return plot(
    `${title}: ranges of ${min.length} channels`,
    [
      html`<path class="axis" d="M${frame.left} ${round(y(0))}H${frame.width - frame.right}" />`,
      html`<path class="bars" d="${bars.join('')}" stroke-width="${round(Math.min(10, Math.max(1, step * 0.72)))}" />`,
      caption(frame.width - frame.right, frame.top + 4, tick(high), 'end'),
      caption(frame.width - frame.right, base + 2, tick(low), 'end'),
      caption(frame.left, frame.height - 4, 'widest channel'),
      caption(frame.width - frame.right, frame.height - 4, 'narrowest', 'end'),
    ],
    html`<b>${title}</b> ${detail}`,
  );
}

/** How the power of the weights is distributed, before and after folding. */
export function powerPlot({ folded, original }: NonNullable<Weights['power']>): Markup {
  const top = Math.max(...folded, ...(original ?? []));
  const x = (octave: number): number => frame.left + ((octave - FIRST_OCTAVE) / OCTAVES) * inner.width;
  const steps = (shares: readonly number[]): string =>
    shares
      .map((share, i) => `V${round(base - (share / top) * inner.height)}H${round(x(FIRST_OCTAVE + i + 1))}`)
      .join('');
  const path = (shares: readonly number[]): string => `M${frame.left} ${base}${steps(shares)}V${base}`;
  return plot(
    'Distribution of the power of the weights',
    [
      html`<path class="area" d="${path(folded)}" />`,
      original && html`<path class="before" d="${path(original)}" />`,
      html`<path class="axis" d="M${frame.left} ${base}H${frame.width - frame.right}" />`,
      ...[-12, -6, 0, 6].map((octave) =>
        caption(x(octave), frame.height - 4, octave === 0 ? '1' : `2^${octave}`, 'middle'),
      ),
    ],
    html`<b>Weight power</b> w² / E[w²]${original && '; dashed: before folding'}`,
  );
}

/** Shares of a histogram are drawn on a logarithmic scale from here up. */
const LEAST_SHARE = 1e-5;

/** Histogram of an activation with the range that its quantizer keeps. */
export function histogramPlot(
  { start, width, shares, zeros }: NonNullable<Activation['histogram']>,
  { min, max, clippedShare }: Activation,
): Markup {
  const end = start + width * shares.length;
  const [low, high] = [Math.min(start, min), Math.max(end, max)];
  const x = (value: number): number => frame.left + ((value - low) / (high - low || 1)) * inner.width;
  const top = Math.log10(Math.max(...shares, LEAST_SHARE * 10) / LEAST_SHARE);
  const y = (share: number): number => base - (Math.log10(Math.max(share / LEAST_SHARE, 1)) / top) * inner.height;
  const outline = shares.map((share, i) => `V${round(y(share))}H${round(x(start + (i + 1) * width))}`).join('');
  const threshold = (value: number): Markup =>
    html`<path class="threshold" d="M${round(x(value))} ${frame.top - 6}V${base}" />`;
  return plot(
    `Histogram of the result with the quantizer's range from ${tick(min)} to ${tick(max)}`,
    [
      html`<path class="area" d="M${round(x(start))} ${base}${outline}V${base}" />`,
      html`<path class="axis" d="M${frame.left} ${base}H${frame.width - frame.right}" />`,
      threshold(min),
      threshold(max),
      caption(x(min), frame.height - 4, tick(min), x(min) > frame.width / 2 ? 'end' : 'start'),
      caption(x(max), frame.height - 4, tick(max), x(max) > frame.width / 2 ? 'end' : 'start'),
    ],
    html`<b>Result</b> logarithmic; lines: the range that is kept. ${percent(clippedShare)} clipped,
      ${percent(zeros, 0)} exactly 0`,
  );
}
