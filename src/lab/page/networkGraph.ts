import type { LayerReport, Report } from '../report.ts';
import { decibels } from './format.ts';
import { html, type Markup } from './markup.ts';
import { layoutNetwork, type NetworkLayout, type PlacedEdge, type PlacedNode } from './networkLayout.ts';
import { levelClass, levels, ownDb, shortName } from './noise.ts';

/** Pixels at normal size. */
const box = { width: 172, height: 34, stripe: 9 };
const gap = { x: 22, y: 16 };
const row = box.height + gap.y;
const laneWidth = 11;
const corner = 6;
/** Ranks of one piece; pieces stand beside each other like columns of a newspaper, or below each other. */
const PIECE_RANKS = 12;
const NAME_LENGTH = 26;
const OPERATOR_LENGTH = 14;
/** Layers with weights draw the trunk to them: a shortcut of three moves is no trunk beside two convolutions. */
const WEIGHTED = 4;

/** The network as a graph, one box a layer, coloured by its noise; a box leads to the layer's row. */
export function networkSection({ layers }: Report): Markup | undefined {
  if (layers.length < 2 || layers.some(({ reads }) => reads === undefined)) return undefined;
  const outputs = new Set(layers.map(({ output }) => output));
  const inputs = new Set(layers.flatMap(({ reads = [] }) => reads.filter((name) => !outputs.has(name))));
  const layout = layoutNetwork([
    ...[...inputs].map((id) => ({ id, reads: [] })),
    ...layers.map(({ output, reads = [], weights }) => ({ id: output, reads, weight: weights ? WEIGHTED : 1 })),
  ]);
  const rows = new Map(layers.map((layer, i) => [layer.output, { layer, place: i + 1 }]));
  return html`<section id="network">
    <h2>The network</h2>
    <p class="soft">
      Each box is a layer. Its colour is the noise of everything up to here, the stripe at its left the noise of its own
      rounding: signal over noise, so that more is cleaner. A box leads to the layer's figures.
    </p>
    ${legend()}
    <div class="zooms">
      ${zoom('small', 'Overview', '')} ${zoom('normal', 'Normal', 'checked')} ${zoom('large', 'Large', '')}
      <div class="pieces" tabindex="0" role="group" aria-label="Network graph">
        ${piecesOf(layout.ranks).map((piece) => drawPiece(layout, piece, rows))}
      </div>
    </div>
  </section>`;
}

function legend(): Markup {
  return html`<ul class="legend">
    ${levels.map(({ label }, i) => html`<li><i class="swatch level-${i}"></i>${label}</li>`)}
    <li><i class="swatch level-none"></i>not measured</li>
  </ul>`;
}

function zoom(name: string, label: string, state: '' | 'checked'): Markup {
  const checked: Markup = { markup: state };
  return html`<input type="radio" name="zoom" id="zoom-${name}" ${checked} /><label for="zoom-${name}"
      >${label}</label
    >`;
}

interface Piece {
  /** Ranks, the end not included. */
  readonly start: number;
  readonly end: number;
}

/** Pieces of about equal length. */
function piecesOf(ranks: number): Piece[] {
  const count = Math.max(1, Math.ceil(ranks / PIECE_RANKS));
  const length = Math.ceil(ranks / count);
  return Array.from({ length: Math.ceil(ranks / length) }, (_, i) => ({
    start: i * length,
    end: Math.min(ranks, (i + 1) * length),
  }));
}

interface LayerRow {
  readonly layer: LayerReport;
  readonly place: number;
}

function drawPiece(layout: NetworkLayout, { start, end }: Piece, rows: ReadonlyMap<string, LayerRow>): Markup {
  const left = layout.lanes * laneWidth + gap.x / 2;
  const width = left + layout.columns * (box.width + gap.x) - gap.x / 2;
  const [top, height] = [start * row - gap.y / 2, (end - start) * row];
  const edges = layout.edges.filter(({ from, to }) => from.rank < end && to.rank >= start);
  const nodes = layout.nodes.filter(({ rank }) => rank >= start && rank < end);
  return html`<svg
    class="piece"
    viewBox="${-left} ${top} ${width} ${height}"
    style="width: calc(${width}px * var(--zoom))"
  >
    <path class="edges" d="${edges.map(edgePath).join('')}" />
    ${nodes.map((node) => drawNode(node, rows.get(node.id)))}
  </svg>`;
}

function drawNode(node: PlacedNode, found: LayerRow | undefined): Markup {
  const [x, y] = [node.column * (box.width + gap.x), node.rank * row];
  if (found === undefined)
    return html`<g class="node input" transform="translate(${x} ${y})">
      <rect width="${box.width}" height="${box.height}" rx="${box.height / 2}" />
      <text x="${box.width / 2}" y="21" text-anchor="middle">${shortName(node.id, NAME_LENGTH)}</text>
    </g>`;
  const { layer, place } = found;
  const [own, all] = [ownDb(layer), layer.accumulatedSqnrDb];
  const title = `${layer.name}: ${layer.opType} (${layer.form}); own noise ${decibels(own)}, accumulated ${decibels(all)}`;
  return html`<a class="node" href="#layer-${place}" aria-label="${title}">
    <title>${title}</title>
    <g transform="translate(${x} ${y})">
      <rect class="${levelClass(all)}" width="${box.width}" height="${box.height}" rx="4" />
      <path class="${levelClass(own)}" d="M4 0H${box.stripe}V${box.height}H4a4 4 0 0 1-4-4V4a4 4 0 0 1 4-4z" />
      <path class="split" d="M${box.stripe + 0.5} 0V${box.height}" />
      <g class="ink ${levelClass(all)}">
        <text class="op" x="16" y="14">${operatorName(layer.opType)}</text>
        <text class="db" x="${box.width - 7}" y="14" text-anchor="end">${all === undefined ? '' : decibels(all)}</text>
        <text class="name" x="16" y="27">${shortName(bareName(layer), NAME_LENGTH)}</text>
      </g>
    </g>
  </a>`;
}

function operatorName(opType: string): string {
  const name = opType.replace('Average', 'Avg');
  return name.length <= OPERATOR_LENGTH ? name : `${name.slice(0, OPERATOR_LENGTH - 1)}…`;
}

/** Exporters end names in the operator, which the box shows already. */
function bareName({ name, opType }: LayerReport): string {
  const end = name.lastIndexOf(`/${opType}`);
  return end > 0 && /^(?:_\d+)?$/.test(name.slice(end + 1 + opType.length)) ? name.slice(0, end) : name;
}

/** A line from the middle of a box's lower side to the middle of the next one's upper side, corners rounded. */
function edgePath({ from, to, way }: PlacedEdge): string {
  const middle = (column: number): number => column * (box.width + gap.x) + box.width / 2;
  const [x0, x1] = [middle(from.column), middle(to.column)];
  const [y0, y1] = [from.rank * row + box.height, to.rank * row];
  if (way.kind === 'lane') {
    const lane = -gap.x / 4 - (way.lane + 0.5) * laneWidth;
    return `M${x0} ${y0}${turn(x0, y0 + corner, lane)}${turn(lane, y1 - corner, x1)}V${y1}`;
  }
  const y = way.kind === 'from' ? y1 - corner : y0 + corner;
  return `M${x0} ${y0}${turn(x0, y, x1)}V${y1}`;
}

/** Down at `x` to the height `y`, across to `next`, and on downward. */
function turn(x: number, y: number, next: number): string {
  if (x === next) return '';
  const side = Math.sign(next - x) * corner;
  return `V${y - corner}Q${x} ${y} ${x + side} ${y}H${next - side}Q${next} ${y} ${next} ${y + corner}`;
}
