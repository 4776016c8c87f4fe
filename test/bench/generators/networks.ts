import { NetworkBuilder, type Activation, type BuiltNetwork, type Value } from './networkBuilder.ts';

/** Rounds channels to a multiple of 8, never down by more than a tenth (MobileNet's `make_divisible`). */
function divisible(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/** arXiv:1704.04861, table 1. */
function mobilenetV1(seed: number): BuiltNetwork {
  const net = new NetworkBuilder('mobilenet_v1', seed);
  let x = net.convBn(net.image(224), { channels: 32, kernel: 3, stride: 2 }, 'Relu6');
  const blocks: [channels: number, stride: number][] = [
    [64, 1],
    [128, 2],
    [128, 1],
    [256, 2],
    [256, 1],
    [512, 2],
    ...Array.from({ length: 5 }, (): [number, number] => [512, 1]),
    [1024, 2],
    [1024, 1],
  ];
  for (const [channels, stride] of blocks) {
    x = net.convBn(x, { channels: x.channels, kernel: 3, stride, group: x.channels }, 'Relu6');
    x = net.convBn(x, { channels, kernel: 1 }, 'Relu6');
  }
  return net.finish(net.fullyConnected(net.flatten(net.globalAveragePool(x)), 1000));
}

/** arXiv:1801.04381, table 2. */
function mobilenetV2(seed: number): BuiltNetwork {
  const net = new NetworkBuilder('mobilenet_v2', seed);
  let x = net.convBn(net.image(224), { channels: 32, kernel: 3, stride: 2 }, 'Relu6');
  const stages: [expansion: number, channels: number, repeats: number, stride: number][] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ];
  for (const [expansion, channels, repeats, firstStride] of stages)
    for (let repeat = 0; repeat < repeats; repeat++) {
      const stride = repeat === 0 ? firstStride : 1;
      const hidden = x.channels * expansion;
      let y = expansion === 1 ? x : net.convBn(x, { channels: hidden, kernel: 1 }, 'Relu6');
      y = net.convBn(y, { channels: hidden, kernel: 3, stride, group: hidden }, 'Relu6');
      y = net.convBn(y, { channels, kernel: 1 });
      x = stride === 1 && channels === x.channels ? net.sum(x, y) : y;
    }
  x = net.convBn(x, { channels: 1280, kernel: 1 }, 'Relu6');
  return net.finish(net.fullyConnected(net.flatten(net.globalAveragePool(x)), 1000));
}

/** Scales channels by what global pooling and two 1x1 convolutions make of them (arXiv:1709.01507). */
function squeezeExcite(
  net: NetworkBuilder,
  x: Value,
  options: { squeezed: number; inner: Activation; gate: Activation },
): Value {
  const pooled = net.globalAveragePool(x);
  const squeezed = net.activation(
    net.conv(pooled, { channels: options.squeezed, kernel: 1, bias: true }),
    options.inner,
  );
  const gate = net.activation(net.conv(squeezed, { channels: x.channels, kernel: 1, bias: true }), options.gate);
  return net.scaleBy(x, gate);
}

/** arXiv:1905.02244, table 2. */
function mobilenetV3Small(seed: number): BuiltNetwork {
  const net = new NetworkBuilder('mobilenet_v3_small', seed);
  let x = net.convBn(net.image(224), { channels: 16, kernel: 3, stride: 2 }, 'HardSwish');
  const blocks: [kernel: number, hidden: number, channels: number, excite: boolean, act: Activation, stride: number][] =
    [
      [3, 16, 16, true, 'Relu', 2],
      [3, 72, 24, false, 'Relu', 2],
      [3, 88, 24, false, 'Relu', 1],
      [5, 96, 40, true, 'HardSwish', 2],
      [5, 240, 40, true, 'HardSwish', 1],
      [5, 240, 40, true, 'HardSwish', 1],
      [5, 120, 48, true, 'HardSwish', 1],
      [5, 144, 48, true, 'HardSwish', 1],
      [5, 288, 96, true, 'HardSwish', 2],
      [5, 576, 96, true, 'HardSwish', 1],
      [5, 576, 96, true, 'HardSwish', 1],
    ];
  for (const [kernel, hidden, channels, excite, act, stride] of blocks) {
    let y = hidden === x.channels ? x : net.convBn(x, { channels: hidden, kernel: 1 }, act);
    y = net.convBn(y, { channels: hidden, kernel, stride, group: hidden }, act);
    if (excite) y = squeezeExcite(net, y, { squeezed: divisible(hidden / 4), inner: 'Relu', gate: 'HardSigmoid' });
    y = net.convBn(y, { channels, kernel: 1 });
    x = stride === 1 && channels === x.channels ? net.sum(x, y) : y;
  }
  x = net.convBn(x, { channels: 576, kernel: 1 }, 'HardSwish');
  const hidden = net.activation(net.fullyConnected(net.flatten(net.globalAveragePool(x)), 1024), 'HardSwish');
  return net.finish(net.fullyConnected(hidden, 1000));
}

/** arXiv:1512.03385, table 1; the stride of a bottleneck lies on its 3x3 convolution. */
function resnet(name: string, seed: number, options: { blocks: readonly number[]; bottleneck: boolean }): BuiltNetwork {
  const net = new NetworkBuilder(name, seed);
  let x = net.convBn(net.image(224), { channels: 64, kernel: 7, stride: 2 }, 'Relu');
  x = net.maxPool(x, { kernel: 3, stride: 2, pad: 1 });
  for (const [stage, repeats] of options.blocks.entries())
    for (let repeat = 0; repeat < repeats; repeat++) {
      const stride = stage > 0 && repeat === 0 ? 2 : 1;
      const inner = 64 * 2 ** stage;
      const channels = options.bottleneck ? 4 * inner : inner;
      let y: Value;
      if (options.bottleneck) {
        y = net.convBn(x, { channels: inner, kernel: 1 }, 'Relu');
        y = net.convBn(y, { channels: inner, kernel: 3, stride }, 'Relu');
        y = net.convBn(y, { channels, kernel: 1 });
      } else {
        y = net.convBn(x, { channels: inner, kernel: 3, stride }, 'Relu');
        y = net.convBn(y, { channels, kernel: 3 });
      }
      const shortcut =
        stride === 1 && channels === x.channels ? x : net.convBn(x, { channels, kernel: 1, stride, pad: 0 });
      // A rectified shortcut passes the next ReLU almost whole: more than half of the sum's moment stays.
      x = { ...net.activation(net.sum(y, shortcut), 'Relu'), moment: 0.8 * (y.moment + shortcut.moment) };
    }
  return net.finish(net.fullyConnected(net.flatten(net.globalAveragePool(x)), 1000));
}

/** arXiv:1602.07360, in the authors' version 1.1. */
function squeezenet(seed: number): BuiltNetwork {
  const net = new NetworkBuilder('squeezenet_1_1', seed);
  const convRelu = (
    x: Value,
    channels: number,
    kernel: number,
    options: { stride?: number; pad?: number } = {},
  ): Value => net.activation(net.conv(x, { channels, kernel, bias: true, ...options }), 'Relu');
  const pool = (x: Value): Value => net.maxPool(x, { kernel: 3, stride: 2, ceil: true });
  const fire = (x: Value, squeezed: number): Value => {
    const s = convRelu(x, squeezed, 1);
    return net.concat(convRelu(s, 4 * squeezed, 1), convRelu(s, 4 * squeezed, 3));
  };
  let x = pool(convRelu(net.image(224), 64, 3, { stride: 2, pad: 0 }));
  x = pool(fire(fire(x, 16), 16));
  x = pool(fire(fire(x, 32), 32));
  for (const squeezed of [48, 48, 64, 64]) x = fire(x, squeezed);
  return net.finish(net.flatten(net.globalAveragePool(convRelu(x, 1000, 1))));
}

/** arXiv:1905.11946, table 1. */
function efficientnetB0(seed: number): BuiltNetwork {
  const net = new NetworkBuilder('efficientnet_b0', seed);
  let x = net.convBn(net.image(224), { channels: 32, kernel: 3, stride: 2 }, 'Silu');
  const stages: [expansion: number, kernel: number, channels: number, repeats: number, stride: number][] = [
    [1, 3, 16, 1, 1],
    [6, 3, 24, 2, 2],
    [6, 5, 40, 2, 2],
    [6, 3, 80, 3, 2],
    [6, 5, 112, 3, 1],
    [6, 5, 192, 4, 2],
    [6, 3, 320, 1, 1],
  ];
  for (const [expansion, kernel, channels, repeats, firstStride] of stages)
    for (let repeat = 0; repeat < repeats; repeat++) {
      const stride = repeat === 0 ? firstStride : 1;
      const hidden = x.channels * expansion;
      let y = expansion === 1 ? x : net.convBn(x, { channels: hidden, kernel: 1 }, 'Silu');
      y = net.convBn(y, { channels: hidden, kernel, stride, group: hidden }, 'Silu');
      y = squeezeExcite(net, y, { squeezed: Math.max(1, Math.floor(x.channels / 4)), inner: 'Silu', gate: 'Sigmoid' });
      y = net.convBn(y, { channels, kernel: 1 });
      x = stride === 1 && channels === x.channels ? net.sum(x, y) : y;
    }
  x = net.convBn(x, { channels: 1280, kernel: 1 }, 'Silu');
  return net.finish(net.fullyConnected(net.flatten(net.globalAveragePool(x)), 1000));
}

/** The networks of the bench, by name: architecture as published, weights seeded random, 224 x 224. */
export const networks = {
  mobilenet_v1: mobilenetV1,
  mobilenet_v2: mobilenetV2,
  mobilenet_v3_small: mobilenetV3Small,
  resnet_18: (seed: number) => resnet('resnet_18', seed, { blocks: [2, 2, 2, 2], bottleneck: false }),
  resnet_50: (seed: number) => resnet('resnet_50', seed, { blocks: [3, 4, 6, 3], bottleneck: true }),
  squeezenet_1_1: squeezenet,
  efficientnet_b0: efficientnetB0,
} as const satisfies Record<string, (seed: number) => BuiltNetwork>;

export type NetworkName = keyof typeof networks;

export const networkNames = Object.keys(networks) as NetworkName[];

export function isNetworkName(name: string): name is NetworkName {
  return name in networks;
}
