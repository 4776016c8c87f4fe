import type { ConcatOperation, Operation, QuantizedGraph } from '../../graph/index.ts';
import { inputsOf } from '../../reference/index.ts';
import { firstChannelOf } from '../kernels/move/channels.ts';
import { outermost, type Home, type Homes } from './homes.ts';
import { CHANNEL_BLOCK, type Layout, type NhwcLayout } from './layout.ts';
import { heldConstants } from './values.ts';

/**
 * Concat and Split of channels without copies: operands are made where the concatenation has them, slices are read where
 * they lie. A value whose pixels so come to lie apart must be made and read by kernels that step over what is between; values
 * that meet padding of their own, or would lie in two places, are copied.
 */
export function findHomes(graph: QuantizedGraph, layouts: ReadonlyMap<string, Layout>): Homes {
  const homes = new Map<string, Home>();
  const fixed = new Set([...graph.inputs, ...graph.outputs, ...heldConstants(graph)]);
  const makers = new Map(graph.operations.map((operation) => [operation.output, operation]));
  const readers = new Map<string, Operation[]>();
  for (const operation of graph.operations)
    for (const name of inputsOf(operation)) readers.set(name, [...(readers.get(name) ?? []), operation]);
  const isReadApart = (name: string): boolean => !fixed.has(name) && (readers.get(name) ?? []).every(readsApart);
  for (const operation of graph.operations) {
    if (operation.kind === 'layout' && imageOf(layouts, operation.input) && imageOf(layouts, operation.output)) {
      const channel = isReadApart(operation.output) ? firstChannelOf(operation, { graph, layouts }) : undefined;
      if (channel !== undefined) homes.set(operation.output, { host: operation.input, channel });
    }
    if (operation.kind !== 'concat' || !joinsChannels(operation, layouts)) continue;
    const places = placesOf(operation, layouts);
    for (const { name, channel } of places) {
      const { host: root, channel: within } = outermost(homes, name);
      const maker = makers.get(root);
      if (root === operation.output || !maker || !writesApart(maker) || !isReadApart(root)) continue;
      const home = { host: operation.output, channel: channel - within };
      if (fits(root, home, layouts) && isAlone(root, home, { places, homes, layouts })) homes.set(root, home);
    }
  }
  return homes;
}

interface Place {
  readonly name: string;
  readonly channel: number;
}

/** The operands of a concatenation, and what is known of where values lie. */
interface Neighbours {
  readonly places: readonly Place[];
  readonly homes: Homes;
  readonly layouts: ReadonlyMap<string, Layout>;
}

/** Operands by their first channel. */
function placesOf({ inputs }: ConcatOperation, layouts: ReadonlyMap<string, Layout>): Place[] {
  let channel = 0;
  return inputs.map((name) => {
    const place = { name, channel };
    channel += imageOf(layouts, name)!.channels;
    return place;
  });
}

/** Whether all operands and the result are images, and nothing else is moved at once. */
function joinsChannels(operation: ConcatOperation, layouts: ReadonlyMap<string, Layout>): boolean {
  if (operation.axis !== 1 || 'then' in operation) return false;
  return [operation.output, ...operation.inputs].every((name) => imageOf(layouts, name));
}

/** An image of bytes in whole vectors of channels. */
function imageOf(layouts: ReadonlyMap<string, Layout>, name: string): NhwcLayout | undefined {
  const layout = layouts.get(name);
  return layout?.kind === 'nhwc' && layout.channelStride % CHANNEL_BLOCK === 0 ? layout : undefined;
}

/** Whether what kernels write lies within the host: whole vectors, which end with the host's padding or have none. */
function fits(name: string, { host, channel }: Home, layouts: ReadonlyMap<string, Layout>): boolean {
  const [own, around] = [imageOf(layouts, name)!, imageOf(layouts, host)!];
  const rest = around.channels - channel - own.channels;
  if (channel < 0 || rest < 0) return false;
  const end = channel + own.channelStride;
  return own.channels === own.channelStride || (rest === 0 && end === around.channelStride);
}

/** Whether every operand that would share channels with the value lies there already, being a part of it. */
function isAlone(root: string, { channel }: Home, { places, homes, layouts }: Neighbours): boolean {
  const end = channel + imageOf(layouts, root)!.channels;
  return places.every((place) => {
    const first = place.channel;
    if (first >= end || first + imageOf(layouts, place.name)!.channels <= channel) return true;
    const { host, channel: within } = outermost(homes, place.name);
    return host === root && within === first - channel;
  });
}

/** Whether every kernel that may run the operation writes pixels that lie apart. */
function writesApart(operation: Operation): boolean {
  switch (operation.kind) {
    case 'layout':
      return operation.node.opType !== 'Pad';
    case 'conv':
    case 'convTranspose':
    case 'concat':
    case 'maxPool':
    case 'averagePool':
    case 'table':
      return true;
    default:
      return false;
  }
}

/** Whether every kernel that may run the operation reads an operand whose pixels lie apart. */
const readsApart = (operation: Operation): boolean =>
  operation.kind === 'dequantize' || 'fusedInto' in operation || writesApart(operation);
