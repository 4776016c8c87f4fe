import { calibrationSection } from './page/calibrationSection.ts';
import { factsSection } from './page/factsSection.ts';
import { gallerySection } from './page/gallerySection.ts';
import { layersSection } from './page/layersSection.ts';
import { html, type Markup } from './page/markup.ts';
import { networkSection } from './page/networkGraph.ts';
import { searchSection } from './page/searchSection.ts';
import { style } from './page/style.ts';
import {
  agreementSection,
  comparisonSection,
  tiles,
  titleOf,
  verdictSection,
  warningsSection,
} from './page/summary.ts';
import { timesSection } from './page/timesSection.ts';
import { worstSection } from './page/worstSection.ts';
import { reportSchema, type Report } from './report.ts';

/** In the order of the page: the name in its list of contents, the anchor, and what draws it. */
const sections: readonly (readonly [name: string, id: string, draw: (report: Report) => Markup | undefined])[] = [
  ['fp32 and int8', 'comparison', comparisonSection],
  ['Agreement', 'agreement', agreementSection],
  ['Notes', 'warnings', warningsSection],
  ['Calibration', 'calibration', calibrationSection],
  ['Noise', 'worst', worstSection],
  ['Network', 'network', networkSection],
  ['Disagreements', 'disagreements', gallerySection],
  ['Layers', 'layers', layersSection],
  ['Times', 'times', timesSection],
  ['Search', 'search', searchSection],
  ['Make it again', 'reproduce', factsSection],
];

/**
 * The report as one page: no scripts, nothing loaded, every text escaped. Each section stands alone; a report without its
 * numbers leaves it out.
 *
 * @param report  JSON of a `Report`; one that does not fit the schema throws
 */
export function renderReport(report: unknown): string {
  const parsed = reportSchema.parse(report);
  const drawn = sections.flatMap(([name, id, draw]) => {
    const section = draw(parsed);
    return section === undefined ? [] : [{ name, id, section }];
  });
  const page = html`
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${titleOf(parsed)}</title>
        <style>
          ${{ markup: style }}
        </style>
      </head>
      <body>
        <main>
          <h1>${parsed.model.name}</h1>
          ${verdictSection(parsed)} ${tiles(parsed)}
          <nav>${drawn.map(({ name, id }) => html`<a href="#${id}">${name}</a>`)}</nav>
          ${drawn.map(({ section }) => section)}
        </main>
      </body>
    </html>
  `;
  return `<!doctype html>${page.markup}`;
}
