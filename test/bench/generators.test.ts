import { describe, expect, it } from 'vitest';
import { networks, type NetworkName } from './generators/networks.ts';

/**
 * Multiply-accumulates (in millions) and learned parameters as published: MobileNetV1 of its paper (569 M, 4.2 M; the
 * exact count is that of the reference implementation), the others of torchvision 0.14's model tables.
 */
const published: Readonly<Record<NetworkName, { macs: number; parameters: number }>> = {
  mobilenet_v1: { macs: 569, parameters: 4_231_976 },
  mobilenet_v2: { macs: 301, parameters: 3_504_872 },
  mobilenet_v3_small: { macs: 57, parameters: 2_542_856 },
  resnet_18: { macs: 1_814, parameters: 11_689_512 },
  resnet_50: { macs: 4_089, parameters: 25_557_032 },
  squeezenet_1_1: { macs: 349, parameters: 1_235_496 },
  efficientnet_b0: { macs: 386, parameters: 5_288_548 },
};

describe.each(Object.entries(published))('%s', (name, { macs, parameters }) => {
  const network = networks[name as NetworkName](7);

  it('has the published size', () => {
    expect(network.parameters).toBe(parameters);
    expect(Math.abs(network.macs / 1e6 - macs) / macs).toBeLessThan(0.01);
  });

  it('names each value once and reads only what exists', () => {
    const known = new Set([network.input.name, ...network.constants.keys()]);
    for (const node of network.nodes) {
      expect(node.inputs.filter((input) => !known.has(input))).toEqual([]);
      expect(known.has(node.output)).toBe(false);
      known.add(node.output);
    }
    expect(known.has(network.output.name)).toBe(true);
  });
});

it('gives the same weights for the same seed, others for another', () => {
  const weights = (seed: number) => networks.squeezenet_1_1(seed).constants.get('conv0.weight')?.data;
  expect(weights(3)).toEqual(weights(3));
  expect(weights(3)).not.toEqual(weights(4));
});
