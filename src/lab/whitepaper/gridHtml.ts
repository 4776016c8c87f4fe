import { grouped, NONE, percent, points } from '../page/format.ts';
import { html, table } from '../page/markup.ts';
import { style } from '../page/style.ts';
import { whitepaperSchema, type GridCell } from './grid.ts';

/**
 * The grid as one page: no scripts, nothing loaded, every text escaped.
 *
 * @param grid  JSON of a `WhitepaperGrid`; one that does not fit the schema throws
 * @param title  what was measured
 */
export function renderWhitepaper(grid: unknown, title: string): string {
  const { cells, floatTop1, paper, parameters, samples } = whitepaperSchema.parse(grid);
  const beside = (share: number | undefined): string[] => (paper === undefined ? [] : [percent(share, 1)]);
  const rows = cells.map((cell) => [
    cell.title,
    String(cell.table),
    percent(cell.top1),
    changeOf(cell),
    percent(cell.agreement),
    ...beside(cell.paperTop1),
  ]);
  const page = html`
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${{ markup: style }}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          <p>
            Quantized after training in every way of tables 2, 3, 5 and 6 of arXiv:1806.08342, each simulated in float
            on the same ${grouped(samples.evaluation)} samples; ranges from ${grouped(samples.calibration)} others.
            ${grouped(parameters)} parameters.
          </p>
          ${table(
            [
              'Quantized',
              'Table',
              'Top-1',
              'Change',
              'Agreement',
              ...(paper === undefined ? [] : [`Paper: ${paper.name}`]),
            ],
            [['float', '', percent(floatTop1), '', '', ...beside(paper?.floatTop1)], ...rows],
          )}
          <p class="soft">
            Behind ± stands the paired bound 1.64 √(losses + gains) / n: smaller changes are no more than chance.
            Agreement is the share of answers that are those of the float network.
          </p>
        </main>
      </body>
    </html>
  `;
  return `<!doctype html>${page.markup}`;
}

function changeOf({ labelled }: GridCell): string {
  return labelled === undefined ? NONE : `${points(-labelled.netLoss)} ± ${(labelled.bound * 100).toFixed(2)}`;
}
