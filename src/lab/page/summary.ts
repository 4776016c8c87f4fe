import type { Report } from '../report.ts';
import { byteCount, grouped, ms, NONE, percent, points } from './format.ts';
import { html, table, type Markup } from './markup.ts';
import { sqnrBar } from './charts.ts';

const outcomes = { pass: 'Pass', fail: 'Fail', notEnoughData: 'Not enough data' } as const;

export function verdictSection({ verdict }: Report): Markup {
  const headline = verdict.headline.replace(/^(?:Pass|Fail|Not enough data): /, '');
  return html`<section class="verdict ${verdict.outcome}">
    <strong>${outcomes[verdict.outcome]}</strong>
    <p>${headline.charAt(0).toUpperCase() + headline.slice(1)}</p>
    ${
      verdict.reasons.length === 0
        ? undefined
        : html`<ul>
            ${verdict.reasons.map((reason) => html`<li>${reason}</li>`)}
          </ul>`
    }
  </section>`;
}

export function tiles(report: Report): Markup {
  const { accuracy, paired, size, latency } = report;
  const int8 = accuracy?.int8.top1;
  return html`<div class="tiles">
    ${int8 === undefined ? undefined : tile(percent(int8.share), 'top-1 as int8')}
    ${paired === undefined ? undefined : tile(percent(paired.agreement), 'same answer as fp32')}
    ${tile(`${size.ratio.toFixed(2)}×`, `smaller: ${byteCount(size.fp32Bytes)} to ${byteCount(size.int8Bytes)}`)}
    ${latency.speedup === undefined ? undefined : tile(`${latency.speedup.toFixed(2)}×`, 'the speed of fp32, one thread')}
  </div>`;
}

function sizeChange(ratio: number): string {
  return ratio >= 1 ? `${ratio.toFixed(2)}× smaller` : 'larger';
}

function tile(value: string, label: string): Markup {
  return html`<div class="tile"><b>${value}</b><span class="soft">${label}</span></div>`;
}

export function comparisonSection(report: Report): Markup {
  const { accuracy, size, latency } = report;
  const rows: (readonly (string | Markup)[])[] = [];
  for (const [name, key] of [
    ['Top-1', 'top1'],
    ['Top-5', 'top5'],
  ] as const) {
    const [fp32, int8] = [accuracy?.fp32[key], accuracy?.int8[key]];
    if (fp32 && int8) rows.push([name, withInterval(fp32), withInterval(int8), points(int8.share - fp32.share)]);
  }
  rows.push(['File', byteCount(size.fp32Bytes), byteCount(size.int8Bytes), sizeChange(size.ratio)]);
  for (const [name, key] of [
    ['Latency, median', 'p50Ms'],
    ['Latency, 90 %', 'p90Ms'],
    ['Latency, 99 %', 'p99Ms'],
  ] as const) {
    const [fp32, int8] = [latency.fp32?.[key], latency.int8?.[key]];
    const ratio = fp32 !== undefined && int8 !== undefined && int8 > 0 ? `${(fp32 / int8).toFixed(2)}×` : NONE;
    rows.push([name, ms(fp32), ms(int8), ratio]);
  }
  return html`<section id="comparison">
    <h2>fp32 and int8</h2>
    ${table(['', 'fp32', 'int8', 'change'], rows)}
    <p class="soft">
      ${
        latency.fp32 && latency.int8
          ? `Single inferences on one thread of this machine, taking turns: fp32 on ${latency.fp32.runner}, int8 on ${latency.int8.runner}.`
          : undefined
      }
      Intervals hold the true value with 95 % confidence.
    </p>
  </section>`;
}

function withInterval(value: { share: number; interval: { low: number; high: number } }): Markup {
  const { share, interval } = value;
  return html`${percent(share)}
    <span class="soft interval">(${(interval.low * 100).toFixed(1)} to ${percent(interval.high, 1)})</span>`;
}

export function agreementSection({ paired, outputs, task }: Report): Markup | undefined {
  if (outputs.length === 0 && paired === undefined) return undefined;
  const figures = table(
    ['Output', 'SQNR', 'Cosine', 'Largest error'],
    outputs.map(({ name, sqnrDb, cosine, maxError }) => [
      name,
      sqnrBar(sqnrDb),
      cosine?.toFixed(6) ?? NONE,
      maxError.toPrecision(3),
    ]),
  );
  return html`<section id="agreement">
    <h2>${task === 'classifier' ? 'Agreement' : 'Outputs'}</h2>
    ${
      paired === undefined
        ? undefined
        : html`<p>
            Both give the same answer on ${percent(paired.agreement)} of ${grouped(paired.samples)} samples. The
            ${grouped(paired.disagreements)} others bound any change of accuracy on samples like these to
            ${percent(paired.disagreementUpper)} (95 % confidence).
          </p>`
    }
    ${
      paired?.labelled === undefined
        ? undefined
        : html`<p>
            Only fp32 is right on ${grouped(paired.labelled.losses)}, only int8 on ${grouped(paired.labelled.gains)} of
            ${grouped(paired.labelled.samples)} labelled samples: a net loss of
            ${(paired.labelled.netLoss * 100).toFixed(2)} points, ± ${(paired.labelled.bound * 100).toFixed(2)} (1.64
            standard deviations).
          </p>`
    }
    ${outputs.length === 0 ? undefined : figures}
  </section>`;
}

export function warningsSection({ warnings }: Report): Markup | undefined {
  if (warnings.length === 0) return undefined;
  return html`<section id="warnings">
    <h2>To know</h2>
    <ul>
      ${warnings.map((warning) => html`<li>${warning}</li>`)}
    </ul>
  </section>`;
}

/** For the page's title. */
export function titleOf({ model, verdict }: Report): string {
  return `${model.name}: ${outcomes[verdict.outcome].toLowerCase()}`;
}
