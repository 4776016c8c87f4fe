import type { Report } from '../report.ts';
import type { SearchCandidate, SearchFigures } from '../search/searchReport.ts';
import { axisOf, chart, plane, ratioAxisOf, shareBar, sqnrBar, xOf, yOf } from './charts.ts';
import { byteCount, decibels, grouped, ms, NONE, percent } from './format.ts';
import { html, table, type Markup } from './markup.ts';

/** Layers that are shown before the others are asked for. */
const SHOWN = 10;

const endings = {
  finished: 'It tried all that it had to try.',
  deadline: 'Its time was over.',
  stopped: 'It was stopped.',
  candidates: 'It had made as many candidates as it may.',
} as const;

/** What the recipe search tried: accuracy against latency, which layers are sensitive, and what was chosen. */
export function searchSection({ search }: Report): Markup | undefined {
  if (search === undefined) return undefined;
  const chosen = search.candidates[search.chosen];
  return html`<section id="search">
    <h2>The search for a recipe</h2>
    <p>
      ${search.candidates.length === 1 ? 'One recipe was' : `${search.candidates.length} recipes were`} tried in
      ${Math.round(search.spentSeconds)} of ${Math.round(search.seconds)} seconds. ${endings[search.ended]} Chosen:
      <b>${chosen?.title ?? NONE}</b>.
    </p>
    ${search.prevented === undefined ? undefined : html`<p>${search.prevented}</p>`} ${paretoChart(search)}
    ${candidateTable(search)} ${proofOf(search.proof)}
    <p class="soft">${grouped(search.selection.samples)} samples chose; they are in no other figure of this report.</p>
    ${sensitivityOf(search.sensitivity)}
  </section>`;
}

type Search = NonNullable<Report['search']>;

/** What the candidates are compared by: accuracy with labels, else agreement, else the weakest output. */
function measureOf(candidates: readonly SearchCandidate[]): {
  readonly name: string;
  readonly of: (figures: SearchFigures) => number | undefined;
  readonly label: (value: number) => string;
} {
  const all = (of: (figures: SearchFigures) => number | undefined): boolean =>
    candidates.every((candidate) => of(candidate) !== undefined);
  const share = (value: number): string => `${Number((value * 100).toFixed(2))} %`;
  if (all(({ top1 }) => top1)) return { name: 'Top-1', of: ({ top1 }) => top1, label: share };
  if (all(({ agreement }) => agreement))
    return { name: 'Same answer as fp32', of: ({ agreement }) => agreement, label: share };
  return { name: 'SQNR', of: ({ sqnrDb }) => sqnrDb ?? undefined, label: (value) => `${value.toFixed(0)} dB` };
}

function paretoChart({ candidates, chosen }: Search): Markup | undefined {
  const measure = measureOf(candidates);
  const points = candidates.flatMap((candidate, i) => {
    const value = measure.of(candidate);
    return value === undefined ? [] : [{ candidate, value, i }];
  });
  if (points.length < 2) return undefined;
  const x = ratioAxisOf(
    points.map(({ candidate }) => candidate.p50Ms),
    (value) => `${Number(value.toPrecision(4))} ms`,
  );
  const y = axisOf(
    points.map(({ value }) => value),
    measure.label,
  );
  const front = points
    .filter(({ candidate }) => candidate.pareto)
    .sort((a, b) => a.candidate.p50Ms - b.candidate.p50Ms)
    .map(({ candidate, value }) => `${xOf(x, candidate.p50Ms)} ${yOf(y, value)}`);
  return html`<figure>
    ${chart(`${measure.name} against latency`, { x, y }, [
      html`<path class="line" d="M${front.join('L')}" />`,
      // The chosen one lies on top.
      points
        .toSorted((a, b) => Number(a.i === chosen) - Number(b.i === chosen))
        .map(
          ({ candidate, value, i }) =>
            html`<circle
              class="${i === chosen ? 'dot chosen' : candidate.pareto ? 'dot' : 'dot beaten'}"
              cx="${xOf(x, candidate.p50Ms)}"
              cy="${yOf(y, value)}"
              r="${i === chosen ? 7 : 4.5}"
            >
              <title>${candidate.title}: ${measure.label(value)}, ${ms(candidate.p50Ms)}</title>
            </circle>`,
        ),
      points
        .filter(({ candidate, i }) => i === chosen || candidate.pareto)
        .map(({ candidate, value }) => nameOf(candidate.title, xOf(x, candidate.p50Ms), yOf(y, value))),
    ])}
    <figcaption>
      ${measure.name} against the latency of one inference. The line joins what nothing else beats in both; the filled
      point is what was chosen.
    </figcaption>
  </figure>`;
}

/** The name of a point, on the side where there is room. */
function nameOf(title: string, x: number, y: number): Markup {
  const left = x > plane.width / 2;
  return html`<text x="${left ? x - 11 : x + 11}" y="${y + 4}" text-anchor="${left ? 'end' : 'start'}">
    ${title.length > 40 ? `${title.slice(0, 39)}…` : title}
  </text>`;
}

function candidateTable({ candidates, chosen }: Search): Markup {
  const measure = measureOf(candidates);
  return table(
    ['Recipe', measure.name, 'Lost / won', 'Median', 'File', 'Float layers', ''],
    candidates.map((candidate, i) => {
      const { title, losses, gains, p50Ms, int8Bytes, floatLayers, pareto, withinBudget } = candidate;
      const value = measure.of(candidate);
      const marks = [
        ...(i === chosen ? ['chosen'] : []),
        ...(pareto ? ['unbeaten'] : []),
        ...(withinBudget ? ['within budget'] : []),
      ];
      return [
        i === chosen ? html`<b>${title}</b>` : title,
        value === undefined ? NONE : measure.label(value),
        losses === undefined || gains === undefined ? NONE : `${losses} / ${gains}`,
        ms(p50Ms),
        byteCount(int8Bytes),
        floatLayers,
        marks.join(', '),
      ];
    }),
  );
}

function proofOf(proof: Search['proof']): Markup | undefined {
  if (proof === undefined) return undefined;
  const figures = ({ samples, top1, agreement, losses, gains, sqnrDb }: SearchFigures): string =>
    [
      ...(top1 === undefined ? [] : [`top-1 ${percent(top1)}`]),
      ...(agreement === undefined ? [decibels(sqnrDb)] : [`agreement ${percent(agreement)}`]),
      ...(losses === undefined ? [] : [`${losses} lost, ${gains ?? 0} won`]),
      `${grouped(samples)} samples`,
    ].join(', ');
  return html`<p>
    On samples that did not choose: the preferred recipe ${figures(proof.chosen)}; the given one
    ${figures(proof.default)}.
    ${proof.returned === 'chosen' ? 'So the preferred one was kept.' : 'So the given one was kept.'}
  </p>`;
}

function sensitivityOf(sensitivity: Search['sensitivity']): Markup | undefined {
  if (sensitivity.length === 0) return undefined;
  const most = Math.max(...sensitivity.map(({ outputKl = 0 }) => outputKl));
  const rows = (some: Search['sensitivity']): Markup =>
    table(
      ['Layer', 'Weakest output', 'Divergence', '', 'Mostly by'],
      some.map(({ name, sqnrDb, outputKl, cause }) => [
        name,
        sqnrBar(sqnrDb),
        outputKl === undefined ? NONE : outputKl.toPrecision(2),
        outputKl === undefined || most === 0 ? '' : shareBar(outputKl / most),
        cause ?? NONE,
      ]),
    );
  return html`<h3>Which layers are sensitive</h3>
    <p class="soft">Each layer quantized alone, the rest in float: what that does to the network's answers.</p>
    ${rows(sensitivity.slice(0, SHOWN))}
    ${
      sensitivity.length > SHOWN
        ? html`<details>
            <summary>The other ${sensitivity.length - SHOWN} layers</summary>
            ${rows(sensitivity.slice(SHOWN))}
          </details>`
        : undefined
    }`;
}
