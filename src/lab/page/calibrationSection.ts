import type { Report } from '../report.ts';
import { axisOf, chart, ratioAxisOf, shareBar, xOf, yOf } from './charts.ts';
import { percent } from './format.ts';
import { html, table, type Markup } from './markup.ts';

type Calibration = NonNullable<Report['calibration']>;

/** What the linter found in the calibration set, how its ranges settled, and what the network makes of its images. */
export function calibrationSection({ calibration, data, task }: Report): Markup | undefined {
  if (calibration === undefined) return undefined;
  const { findings } = calibration;
  const labelled = data.calibration?.labelled === true || data.evaluation?.labelled === true;
  return html`<section id="calibration">
    <h2>Calibration</h2>
    ${
      findings.length === 0
        ? html`<p>Nothing to find fault with in ${data.calibration?.samples ?? 0} samples.</p>`
        : html`<ul>
            ${findings.map(({ text }) => html`<li>${text}</li>`)}
          </ul>`
    }
    ${convergenceChart(calibration)} ${task === 'classifier' ? preprocessingTable(calibration, labelled) : undefined}
  </section>`;
}

function convergenceChart({ convergence }: Calibration): Markup | undefined {
  if (convergence.length < 3) return undefined;
  const x = ratioAxisOf(
    convergence.map(({ samples }) => samples),
    (value) => String(Math.round(value)),
  );
  const y = axisOf([0, ...convergence.map(({ moved }) => moved)], (value) => `${Number((value * 100).toFixed(1))} %`);
  const points = convergence.map(({ samples, moved }) => `${xOf(x, samples)} ${yOf(y, moved)}`);
  return html`<figure>
    ${chart('Distance of the ranges to their final place, by samples', { x, y }, [
      html`<path class="line" d="M${points.join('L')}" />`,
      convergence.map(
        ({ samples, moved }) =>
          html`<circle class="dot" cx="${xOf(x, samples)}" cy="${yOf(y, moved)}" r="4">
            <title>${samples} samples: ${percent(moved)}</title>
          </circle>`,
      ),
    ])}
    <figcaption>
      How far the ranges were from where they ended, in their width, after so many samples. A curve that is flat long
      before its end means that there were enough.
    </figcaption>
  </figure>`;
}

function preprocessingTable({ preprocessing }: Calibration, labelled: boolean): Markup | undefined {
  if (preprocessing === undefined) return undefined;
  const most = Math.max(...preprocessing.map(({ score }) => score));
  return html`<details>
    <summary>The same images read in ${preprocessing.length} ways</summary>
    <p class="soft">
      ${
        labelled
          ? 'Share of right answers of the fp32 network.'
          : 'Nats that an answer of the fp32 network tells of its image: high where answers are sure and varied.'
      }
    </p>
    ${table(
      ['Preprocessing', labelled ? 'Right' : 'Nats', ''],
      preprocessing.map(({ title, score }) => [
        title,
        labelled ? percent(score, 0) : score.toFixed(2),
        most > 0 ? shareBar(Math.max(0, score) / most) : '',
      ]),
    )}
  </details>`;
}
