import type { LayerReport, NodeLatency, Report } from '../report.ts';
import { noiseChart, sqnrBar } from './charts.ts';
import { decibels, grouped, ms, NONE, percent } from './format.ts';
import { html, type Markup } from './markup.ts';
import { ownDb } from './noise.ts';
import { histogramPlot, powerPlot, rangePlot } from './plots.ts';

/** Every layer in the order of the network: a row each, which opens to its figures and plots. */
export function layersSection({ layers, worstLayers, latency }: Report): Markup | undefined {
  if (layers.length === 0) return undefined;
  const worst = new Set(worstLayers.map(({ name }) => name));
  const times = new Map(latency.nodes?.map((node) => [node.name, node]));
  return html`<section id="layers">
    <h2>Layer by layer</h2>
    ${noiseChart(layers)}
    <div class="rows">
      <div class="row head" aria-hidden="true">
        <span>#</span><span>Layer</span><span>Own noise</span><span>Accumulated</span><span>Form</span>
      </div>
      ${layers.map((layer, i) => layerRow(layer, i + 1, { worst: worst.has(layer.name), time: times.get(layer.name) }))}
    </div>
    <p class="soft">
      Own noise: signal over the rounding of the layer's weights and of its result. Accumulated: over all errors up to
      here. Each 6 dB less is twice the noise.
    </p>
  </section>`;
}

interface RowExtras {
  readonly worst: boolean;
  readonly time: NodeLatency | undefined;
}

function layerRow(layer: LayerReport, place: number, { worst, time }: RowExtras): Markup {
  return html`<details class="${worst ? 'worst' : ''}">
    <summary class="row">
      <span class="soft">${place}</span>
      <span class="layer-name"
        ><b>${layer.name}</b> <span class="soft">${layer.opType}</span>${
          worst ? html` <span class="badge">weak</span>` : undefined
        }</span
      >
      <span>${sqnrBar(ownDb(layer))}</span>
      <span>${sqnrBar(layer.accumulatedSqnrDb)}</span>
      <span class="soft">${layer.form}</span>
    </summary>
    <div class="detail" id="layer-${place}">
      ${facts(layer, time)}
      <div class="plots">${plots(layer)}</div>
    </div>
  </details>`;
}

function facts(layer: LayerReport, time: NodeLatency | undefined): Markup {
  const { weights, activation, shape, kernel } = layer;
  const rows: (readonly [string, string])[] = [['Result', `${layer.output}${shape ? ` [${shapeText(shape)}]` : ''}`]];
  if (weights)
    rows.push(
      ['Weights', `[${weights.shape.join(', ')}], ${weights.bits} bits, ${scalesText(weights.scales)}`],
      ['Weight range', `${weights.min.toPrecision(3)} to ${weights.max.toPrecision(3)}`],
      ['Channel spread', spreadText(weights)],
      ['Weight rounding', `${decibels(weights.channelSqnrDb)} by channel, ${decibels(weights.sqnrDb)} in all`],
    );
  if (activation) {
    const { scale, zeroPoint, min, max, dominantChannel } = activation;
    rows.push(
      ['Result rounding', `${decibels(activation.localSqnrDb)}, ${percent(activation.clippedShare)} clipped`],
      [
        'Quantizer',
        `${min.toPrecision(4)} to ${max.toPrecision(4)}: scale ${scale.toPrecision(4)}, zero point ${zeroPoint}`,
      ],
    );
    if (dominantChannel)
      rows.push(['Range', `channel ${dominantChannel.channel} sets ${percent(dominantChannel.share, 0)} of it`]);
  }
  if (kernel !== undefined) rows.push(['Kernel', kernel]);
  if (time) rows.push(['Time', timeText(time)]);
  return html`<dl>
    ${rows.map(
      ([term, text]) =>
        html`<div>
          <dt>${term}</dt>
          <dd>${text}</dd>
        </div>`,
    )}
  </dl>`;
}

function timeText({ int8, fp32, macs }: NodeLatency): string {
  return [
    `${ms(int8.p50Ms)} as int8`,
    ...(fp32 === undefined ? [] : [`${ms(fp32.p50Ms)} as fp32`]),
    ...(macs > 0 ? [`${grouped(macs)} multiply-accumulates`] : []),
  ].join(', ');
}

function shapeText(shape: readonly number[]): string {
  return shape.map((dim) => (dim < 0 ? 'N' : dim)).join(', ');
}

function scalesText(scales: number): string {
  return scales === 1 ? 'one scale' : `${scales} scales`;
}

function spreadText({ channelSpread, foldSpread }: NonNullable<LayerReport['weights']>): string {
  const power = (ratio: number): string => `2^${Math.log2(ratio).toFixed(1)}`;
  return foldSpread === undefined
    ? power(channelSpread)
    : `${power(channelSpread)}, before folding ${power(channelSpread / foldSpread)}`;
}

function plots({ weights, activation }: LayerReport): (Markup | undefined)[] {
  const { channels, power } = weights ?? {};
  const listed = channels && channels.index.length < channels.count ? `${channels.index.length} of ` : '';
  const detail = channels ? `${listed}${channels.count} channels` : NONE;
  return [
    channels?.original && rangePlot(channels.original, 'Weights before folding', `same ${detail}, same order`),
    channels && rangePlot(channels.folded, channels.original ? 'Weights after folding' : 'Weights', detail),
    power && powerPlot(power),
    activation?.histogram && histogramPlot(activation.histogram, activation),
  ];
}
