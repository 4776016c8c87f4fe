import { f } from '../../transform/support/build.ts';
import type { Draft, Image } from './draft.ts';

const plain = [
  ...['Relu', 'Relu', 'Relu', 'Sigmoid', 'Tanh', 'HardSwish', 'HardSigmoid', 'Softplus', 'Softsign'],
  ...['Abs', 'Neg', 'Erf', 'Selu'],
];

/** The name of an activation of a value, in one node or as several write it. */
function activated(draft: Draft, name: string, channels: number): string {
  switch (draft.integer(0, 9)) {
    case 0:
      return draft.emit('Clip', [name, draft.scalar(0), draft.scalar(6)]);
    case 1: {
      const low = draft.one([-1, -0.3, 0, 0.5]);
      const high = low + draft.one([0, 0.4, 3, 100]);
      const bounds = draft.one([
        [draft.scalar(low), draft.scalar(high)],
        ['', draft.scalar(high)],
        [draft.scalar(low)],
      ]);
      return draft.emit('Clip', [name, ...bounds]);
    }
    case 2:
      return draft.emit('PRelu', [name, draft.weights(draft.one([[channels, 1, 1], [1, 1, 1], [1]]), 0.3)]);
    case 3:
      return draft.emit('LeakyRelu', [name], { alpha: f(draft.one([0.01, 0.1, 1.5])) });
    case 4:
      return draft.emit('Mul', [name, draft.emit('Sigmoid', [name])]);
    case 5: {
      const gate = draft.emit('Clip', [draft.emit('Add', [name, draft.scalar(3)]), draft.scalar(0), draft.scalar(6)]);
      const product = draft.emit('Mul', [name, gate]);
      return draft.emit('Div', [product, draft.scalar(6)]);
    }
    case 6:
      return draft.emit('Elu', [name], { alpha: f(draft.one([0.5, 1])) });
    case 7:
      return draft.emit('Softmax', [name], { axis: draft.one([1, 3, -1]) });
    default:
      return draft.emit(draft.one(plain), [name]);
  }
}

export function activate(draft: Draft, { name, shape }: Image): Image {
  return draft.keep(activated(draft, name, shape[0]), shape);
}
