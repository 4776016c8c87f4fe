import { numberAttribute } from '../../graph/index.ts';
import { elementCount, tensor } from '../../tensor/index.ts';
import { pow } from '../math.ts';
import { floatInput, optionalFloat, resolveAxis, type Kernel } from '../kernel.ts';

const square = (value: number): number => value * value;

const sumOfSquares = (values: Float32Array, mean: number): number =>
  values.reduce((sum, value) => sum + square(value - mean), 0);

/** y = gamma · (x − mean) / √(var + epsilon) + beta per channel (dimension 1), with the stored statistics. */
export const batchNormalization: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((index) => floatInput(node, inputs, index).data);
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  const [batch = 1, channels = 1] = x.shape;
  const plane = elementCount(x.shape.slice(2));
  const y = new Float32Array(x.data.length);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const factor = gamma![c]! / Math.sqrt(variance![c]! + epsilon);
      const shift = beta![c]! - mean![c]! * factor;
      const from = (n * channels + c) * plane;
      for (let i = from; i < from + plane; i++) y[i] = x.data[i]! * factor + shift;
    }
  }
  return [tensor('float32', x.shape, y)];
};

/** The same with the mean and variance of each sample's own channel. */
export const instanceNormalization: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const gamma = floatInput(node, inputs, 1).data;
  const beta = floatInput(node, inputs, 2).data;
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  const [batch = 1, channels = 1] = x.shape;
  const plane = elementCount(x.shape.slice(2));
  const y = new Float32Array(x.data.length);
  for (let row = 0; row < batch * channels; row++) {
    const values = x.data.subarray(row * plane, (row + 1) * plane);
    const mean = values.reduce((sum, value) => sum + value, 0) / plane;
    const variance = sumOfSquares(values, mean) / plane;
    const factor = gamma[row % channels]! / Math.sqrt(variance + epsilon);
    for (let i = 0; i < plane; i++) y[row * plane + i] = (values[i]! - mean) * factor + beta[row % channels]!;
  }
  return [tensor('float32', x.shape, y)];
};

/** The same with the mean and variance of the dimensions from `axis` on; gamma and beta have their shape. */
export const layerNormalization: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const gamma = floatInput(node, inputs, 1).data;
  const beta = optionalFloat(inputs, 2);
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  const axis = resolveAxis(node, numberAttribute(node, 'axis', -1), x.shape.length);
  const size = elementCount(x.shape.slice(axis));
  const y = new Float32Array(x.data.length);
  for (let from = 0; from < y.length; from += size) {
    const values = x.data.subarray(from, from + size);
    const mean = values.reduce((sum, value) => sum + value, 0) / size;
    const variance = sumOfSquares(values, mean) / size;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < size; i++) {
      const at = i % gamma.length;
      y[from + i] = (values[i]! - mean) * factor * gamma[at]! + (beta?.[at] ?? 0);
    }
  }
  return [tensor('float32', x.shape, y)];
};

/**
 * Local response normalization across channels: y = x / (bias + alpha / size · Σ x²)^beta, the sum over `size` channels
 * around, from c − floor((size − 1) / 2) to c + ceil((size − 1) / 2).
 */
export const lrn: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const size = numberAttribute(node, 'size');
  const alpha = numberAttribute(node, 'alpha', 1e-4);
  const beta = numberAttribute(node, 'beta', 0.75);
  const bias = numberAttribute(node, 'bias', 1);
  const [batch = 1, channels = 1] = x.shape;
  const plane = elementCount(x.shape.slice(2));
  const before = Math.floor((size - 1) / 2);
  const after = Math.ceil((size - 1) / 2);
  const y = new Float32Array(x.data.length);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++) {
        let sum = 0;
        for (let k = Math.max(0, c - before); k <= Math.min(channels - 1, c + after); k++)
          sum += square(x.data[(n * channels + k) * plane + i]!);
        const at = (n * channels + c) * plane + i;
        y[at] = x.data[at]! / pow(bias + (alpha / size) * sum, beta);
      }
    }
  }
  return [tensor('float32', x.shape, y)];
};
