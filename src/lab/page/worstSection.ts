import type { LayerReport, Report } from '../report.ts';
import { decibels } from './format.ts';
import { html, type Markup } from './markup.ts';

/** Drops of the accumulated ratio that are listed where no layer is weak by itself. */
const DROPS = 3;

/** The layers that add the most noise, why, and what to do about it with the gain that this promises. */
export function worstSection({ worstLayers, layers }: Report): Markup | undefined {
  const places = new Map(layers.map(({ name }, i) => [name, i + 1]));
  const link = (name: string): Markup =>
    places.has(name) ? html`<a href="#layer-${places.get(name)}">${name}</a>` : html`${name}`;
  if (worstLayers.length > 0)
    return html`<section id="worst">
      <h2>Where the noise comes from</h2>
      <div class="cards">
        ${worstLayers.map(
          ({ name, diagnosis, advice, gain }) =>
            html`<div class="card">
              <b>${link(name)}</b>
              <p>${diagnosis}</p>
              <p class="advice">${advice} ${gain && html`<span class="gain">${gainText(gain)}</span>`}</p>
            </div>`,
        )}
      </div>
    </section>`;
  const drops = largestDrops(layers);
  if (drops.length === 0) return undefined;
  return html`<section id="worst">
    <h2>Where the noise comes from</h2>
    <p>
      No layer is weak by itself: weights and results all keep well over the noise of their own rounding. What there is
      adds up; most is added at
    </p>
    <ul>
      ${drops.map(
        ({ layer, before }) =>
          html`<li>${link(layer.name)}: ${decibels(before)} before, ${decibels(layer.accumulatedSqnrDb)} after</li>`,
      )}
    </ul>
  </section>`;
}

function gainText({ fromDb, toDb, basis }: NonNullable<Report['worstLayers'][number]['gain']>): string {
  const how = basis === 'weights' ? 'measured on its weights' : 'predicted from its histogram';
  return `+${(toDb - fromDb).toFixed(1)} dB (${fromDb.toFixed(1)} to ${toDb.toFixed(1)}), ${how}`;
}

/** Where the accumulated ratio falls most from what a layer reads to what it gives. */
function largestDrops(layers: readonly LayerReport[]): { layer: LayerReport; before: number }[] {
  const ratios = new Map(layers.map(({ output, accumulatedSqnrDb }) => [output, accumulatedSqnrDb]));
  return layers
    .flatMap((layer) => {
      const above = (layer.reads ?? []).map((name) => ratios.get(name)).filter((db) => typeof db === 'number');
      return above.length === 0 || typeof layer.accumulatedSqnrDb !== 'number'
        ? []
        : [{ layer, before: Math.min(...above), drop: Math.min(...above) - layer.accumulatedSqnrDb }];
    })
    .filter(({ drop }) => drop > 1)
    .sort((a, b) => b.drop - a.drop)
    .slice(0, DROPS);
}
