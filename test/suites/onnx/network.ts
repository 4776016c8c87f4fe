import fc from 'fast-check';
import { seededRandom } from '../../../src/base/index.ts';
import type { ModelProto } from '../../../src/onnx/index.ts';
import { modelOf } from '../../transform/support/build.ts';
import { seeds } from '../problem.ts';
import { Draft, type Image } from './draft.ts';
import { layers } from './layers.ts';
import { channelCount } from './linear.ts';

/** One layer: its kind, and the seed of its numbers, of which its place in the network is one. */
export interface Step {
  readonly layer: keyof typeof layers;
  readonly seed: number;
}

export interface NetworkSpec {
  readonly inputs: 1 | 2;
  readonly seed: number;
  readonly steps: readonly Step[];
  /** How many samples the file says it takes; free where it does not. */
  readonly batch: 'free' | 1;
  readonly outputs: number;
}

/** A float network with shapes, branches and operators of chance; its steps can be left out one by one. */
export function networkOf(spec: NetworkSpec): ModelProto {
  const random = seededRandom(spec.seed);
  const side = (): number => 1 + Math.floor(random() * (random() < 0.3 ? 3 : 12));
  const draft = new Draft(spec.batch);
  draft.random = random;
  const shape = [random() < 0.5 ? 3 : channelCount(draft), side(), side()] as const;
  const inputs = Array.from({ length: spec.inputs }, (_, index): Image => ({ name: `x${index}`, shape }));
  draft.images.push(...inputs);
  for (const { layer, seed } of spec.steps) {
    draft.random = seededRandom(seed);
    layers[layer](draft, draft.image());
  }
  draft.random = random;
  // what lies behind the last layer stays float
  if (random() < 0.6) layers[random() < 0.5 ? 'dense' : 'conv'](draft, draft.images.at(-1)!);
  const computed = draft.images.slice(spec.inputs);
  if (computed.length === 0) computed.push(draft.layer('Relu', ['x0'], shape));
  const names = new Set([computed.at(-1)!.name]);
  for (let more = 1; more < spec.outputs; more++) names.add(draft.one(computed).name);
  const batch = spec.batch === 'free' ? 'N' : spec.batch;
  return modelOf({
    opset: 17,
    inputs: Object.fromEntries(inputs.map(({ name }) => [name, [batch, ...shape]])),
    outputs: [...names],
    nodes: draft.nodes,
    initializers: draft.initializers,
  });
}

const kinds = Object.keys(layers) as (keyof typeof layers)[];

export const networkSpecs: fc.Arbitrary<NetworkSpec> = fc.record({
  inputs: fc.constantFrom(1 as const, 1 as const, 2 as const),
  seed: seeds,
  steps: fc.array(
    fc.record({
      layer: fc.oneof(
        { weight: 2, arbitrary: fc.constant('conv' as const) },
        { weight: 3, arbitrary: fc.constantFrom(...kinds) },
      ),
      seed: seeds,
    }),
    { minLength: 1, maxLength: 14, size: 'max' },
  ),
  batch: fc.constantFrom('free' as const, 'free' as const, 1 as const),
  outputs: fc.constantFrom(1, 1, 2, 3),
});
