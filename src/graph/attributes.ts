import { AppError } from '../base/index.ts';
import type { Tensor } from '../tensor/index.ts';
import type { AttributeValue, Node } from './graph.ts';

/** Typed access to a node's attributes; a value of another type than the operator defines is MODEL_INVALID. */

function wrongType(node: Node, name: string, wanted: string): AppError {
  return new AppError('MODEL_INVALID', `Node '${node.name}' (${node.opType}): attribute '${name}' must be ${wanted}.`, {
    nodeName: node.name,
    opType: node.opType,
    attribute: name,
  });
}

function required<T extends AttributeValue>(node: Node, name: string, fallback: T | undefined): T {
  if (fallback === undefined) throw wrongType(node, name, 'present');
  return fallback;
}

export function numberAttribute(node: Node, name: string, fallback?: number): number {
  const value = node.attributes.get(name);
  if (value === undefined) return required(node, name, fallback);
  if (typeof value !== 'number') throw wrongType(node, name, 'a number');
  return value;
}

export function stringAttribute(node: Node, name: string, fallback?: string): string {
  const value = node.attributes.get(name);
  if (value === undefined) return required(node, name, fallback);
  if (typeof value !== 'string') throw wrongType(node, name, 'a string');
  return value;
}

export function numbersAttribute(node: Node, name: string, fallback?: readonly number[]): readonly number[] {
  const value = node.attributes.get(name);
  if (value === undefined) return required(node, name, fallback);
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'number'))
    throw wrongType(node, name, 'a list of numbers');
  return value as readonly number[];
}

export function tensorAttribute(node: Node, name: string): Tensor | undefined {
  const value = node.attributes.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || !('dtype' in value)) throw wrongType(node, name, 'a tensor');
  return value;
}
