import { html } from './page/markup.ts';
import {
  agreementSection,
  comparisonSection,
  factsSection,
  layersSection,
  tiles,
  titleOf,
  verdictSection,
  warningsSection,
  worstSection,
} from './page/sections.ts';
import { style } from './page/style.ts';
import { reportSchema } from './report.ts';

/**
 * The report as one page: no scripts, nothing loaded, every text escaped. Each section stands alone; a report without its
 * numbers leaves it out.
 *
 * @param report  JSON of a `Report`; one that does not fit the schema throws
 */
export function renderReport(report: unknown): string {
  const parsed = reportSchema.parse(report);
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
          ${verdictSection(parsed)} ${tiles(parsed)} ${comparisonSection(parsed)} ${agreementSection(parsed)}
          ${worstSection(parsed)} ${layersSection(parsed)} ${warningsSection(parsed)} ${factsSection(parsed)}
        </main>
      </body>
    </html>
  `;
  return `<!doctype html>${page.markup}`;
}
