import type { Disagreement, Report } from '../report.ts';
import { grouped, percent } from './format.ts';
import { html, type Markup } from './markup.ts';

/** Samples that are shown before the others are asked for. */
const SHOWN = 9;

/** Samples that fp32 and int8 answer differently, those first of which both are surest. */
export function gallerySection({ disagreements = [], paired }: Report): Markup | undefined {
  if (disagreements.length === 0) return undefined;
  const shown =
    paired === undefined || paired.disagreements === disagreements.length
      ? `All ${disagreements.length}`
      : `${disagreements.length} of ${grouped(paired.disagreements)}`;
  return html`<section id="disagreements">
    <h2>Where they disagree</h2>
    <p class="soft">
      ${shown} samples that fp32 and int8 answer differently, with their scores; the most confident disagreements come
      first.
    </p>
    <ul class="gallery">
      ${disagreements.slice(0, SHOWN).map(drawSample)}
    </ul>
    ${
      disagreements.length > SHOWN
        ? html`<details>
            <summary>${disagreements.length - SHOWN} more</summary>
            <ul class="gallery">
              ${disagreements.slice(SHOWN).map(drawSample)}
            </ul>
          </details>`
        : undefined
    }
  </section>`;
}

function drawSample({ sample, label, fp32, int8, thumbnail }: Disagreement): Markup {
  return html`<li class="card">
    ${thumbnail && html`<img src="${thumbnail}" alt="${sample}" title="${sample}" />`}
    <dl>
      ${
        label &&
        html`<div>
          <dt>label</dt>
          <dd>${nameOf(label)}</dd>
        </div>`
      }
      ${answer('fp32', fp32, label)} ${answer('int8', int8, label)}
    </dl>
    ${thumbnail === undefined ? html`<p class="soft">${sample}</p>` : undefined}
  </li>`;
}

function answer(side: string, { score, ...found }: Disagreement['fp32'], label: Disagreement['label']): Markup {
  const mark = label === undefined ? '' : found.class === label.class ? ' ✓' : ' ✗';
  return html`<div>
    <dt>${side}</dt>
    <dd>${nameOf(found)}${mark} <span class="soft">${percent(score, 0)}</span></dd>
  </div>`;
}

function nameOf({ class: index, name }: NonNullable<Disagreement['label']>): string {
  return name ?? `class ${index}`;
}
