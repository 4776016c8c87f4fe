import { writeModel } from '../../../src/onnx/index.ts';
import type { Tensor } from '../../../src/tensor/index.ts';
import { colorNetwork, colorParts, float, modelOf, node } from '../../support/networks.ts';
import {
  bytes,
  externalTensor,
  integer,
  model,
  nodeProto,
  rawTensor,
  reluGraph,
  tag,
  valueInfo,
  varint,
} from '../../support/proto.ts';
import { modelUpload, type HostileCase } from './hostileCase.ts';

/** Broken and malicious model files, each made from a real one. */

const network = Buffer.from(colorNetwork());
const cut = (length: number) => network.subarray(0, length);

const truncated: HostileCase[] = [
  ['an empty file', cut(0)],
  ['the first byte alone', cut(1)],
  ['half of a model', cut(network.length >> 1)],
  ['all but the last byte', cut(network.length - 1)],
  ['all but the last hundred bytes', cut(network.length - 100)],
].map(([what, file]) => ({
  group: 'truncated',
  what: what as string,
  send: modelUpload(file as Buffer),
  answers: ['MODEL_MALFORMED'],
}));

function flipped(at: number, bit: number): Buffer {
  const copy = Buffer.from(network);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

const positionOf = (text: string) => network.indexOf(text);

const bitFlipped: HostileCase[] = [
  { what: 'the wire type of the first field', file: flipped(0, 0), answers: ['MODEL_MALFORMED', 'MODEL_INVALID'] },
  { what: 'the length of the graph', file: lengthOfGraphFlipped(), answers: ['MODEL_MALFORMED'] },
  { what: "a letter of 'Conv'", file: flipped(positionOf('Conv'), 1), answers: ['UNSUPPORTED_OPERATOR'] },
  { what: "the length before 'Conv'", file: flipped(positionOf('Conv') - 1, 7), answers: ['MODEL_MALFORMED'] },
  {
    what: 'the name of a value that a node reads',
    file: flipped(network.lastIndexOf('pool'), 0),
    answers: ['MODEL_INVALID', 'MODEL_MALFORMED', 'SHAPE_MISMATCH'],
  },
  { what: 'the name of an attribute', file: flipped(positionOf('kernel_shape') - 1, 6), answers: ['MODEL_MALFORMED'] },
].map(({ what, file, answers }) => ({ group: 'bit-flipped', what, send: modelUpload(file), answers }) as HostileCase);

/** The graph is field 7: its tag is 0x3a, followed by the length. */
function lengthOfGraphFlipped(): Buffer {
  return flipped(network.indexOf(0x3a) + 2, 6);
}

const repeated = (part: Buffer, count: number): Buffer => Buffer.alloc(part.length * count, part);

function nestedAttributes(depth: number): Buffer {
  let graph = reluGraph();
  for (let level = 0; level < depth; level++) {
    const attribute = Buffer.concat([bytes(1, 'body'), bytes(6, graph), integer(20, 5)]);
    graph = bytes(1, nodeProto('If', ['x'], ['y'], attribute));
  }
  return graph;
}

const tooBig = [
  'MODEL_TOO_COMPLEX',
  'MODEL_MALFORMED',
  'MODEL_INVALID',
  'MODEL_OUT_OF_SCOPE',
  'SHAPE_MISMATCH',
] as const;

const protobufBombs: HostileCase[] = [
  { what: 'three million empty nodes', file: model(repeated(bytes(1, ''), 3_000_000)) },
  {
    what: 'three million empty metadata entries',
    file: Buffer.concat([model(reluGraph()), repeated(bytes(14, ''), 3_000_000)]),
  },
  { what: 'graphs nested five hundred deep', file: model(nestedAttributes(500)) },
  {
    what: 'dimensions whose product overflows',
    file: model(reluGraph(bytes(5, rawTensor('w', [1n << 40n, 1n << 40n], Buffer.alloc(4))))),
  },
  {
    what: 'a tensor that claims four billion elements',
    file: model(reluGraph(bytes(5, rawTensor('w', [65_536, 65_536], Buffer.alloc(4))))),
  },
  { what: 'a varint of eleven bytes', file: Buffer.concat([tag(1, 0), Buffer.alloc(10, 0xff), Buffer.from([1])]) },
  { what: 'a length of 2^63', file: Buffer.concat([tag(7, 2), varint(1n << 63n), Buffer.alloc(16)]) },
  {
    what: 'groups, which protobuf has given up',
    file: Buffer.concat([model(reluGraph()), repeated(tag(30, 3), 10_000)]),
  },
  { what: 'a constant of 2^40 elements out of eight bytes', file: constantOfShape() },
  { what: 'a chain of doublings', file: doublings(40) },
].map(({ what, file }) => ({ group: 'protobuf bombs', what, send: modelUpload(file), answers: tooBig }));

function constantOfShape(): Buffer {
  const shape = Buffer.alloc(8);
  shape.writeBigInt64LE(1n << 40n);
  return model(
    Buffer.concat([
      bytes(1, nodeProto('ConstantOfShape', ['shape'], ['huge'])),
      bytes(1, nodeProto('Add', ['x', 'huge'], ['y'])),
      bytes(2, 'g'),
      bytes(5, rawTensor('shape', [1], shape, 7)),
      bytes(11, valueInfo('x', [-1, 3, 8, 8])),
      bytes(12, valueInfo('y', [-1, 3, 8, 8])),
    ]),
  );
}

/** Constant folding would have to hold 2^count elements. */
function doublings(count: number): Buffer {
  const axis = Buffer.concat([bytes(1, 'axis'), integer(3, 0), integer(20, 2)]);
  const nodes = Array.from({ length: count }, (_, i) =>
    bytes(1, nodeProto('Concat', [`c${i}`, `c${i}`], [`c${i + 1}`], axis)),
  );
  return model(
    Buffer.concat([
      ...nodes,
      bytes(1, nodeProto('Mul', ['x', `c${count}`], ['y'])),
      bytes(2, 'g'),
      bytes(5, rawTensor('c0', [1], Buffer.alloc(4))),
      bytes(11, valueInfo('x', [-1, 3, 8, 8])),
      bytes(12, valueInfo('y', [-1, 3, 8, 8])),
    ]),
  );
}

const parts = colorParts();
const withInitializer = (name: string, value: Tensor): Buffer =>
  Buffer.from(colorNetwork({ initializers: { ...parts.initializers, [name]: value } }));
const withInput = (shape: readonly (number | string | undefined)[]): Buffer =>
  Buffer.from(colorNetwork({ input: { name: 'image', shape } }));

const wrongShapes: HostileCase[] = [
  {
    what: 'a Conv weight of four input channels',
    file: withInitializer('w', float([8, 4, 1, 1], new Array<number>(32).fill(1))),
    answers: ['SHAPE_MISMATCH', 'MODEL_INVALID'],
  },
  {
    what: 'a Gemm weight that does not fit',
    file: withInitializer('fc', float([4, 7], new Array<number>(28).fill(1))),
    answers: ['SHAPE_MISMATCH', 'MODEL_INVALID'],
  },
  {
    what: 'a BatchNormalization of five channels',
    file: withInitializer('gamma', float([5], [1, 1, 1, 1, 1])),
    answers: ['SHAPE_MISMATCH', 'MODEL_INVALID'],
  },
  {
    what: 'an input of five dimensions',
    file: withInput(['N', 3, 8, 8, 8]),
    answers: ['SHAPE_MISMATCH', 'MODEL_INVALID', 'MODEL_OUT_OF_SCOPE', 'UNSUPPORTED_OPERATOR'],
  },
  {
    what: 'an input whose height and width are free',
    file: withInput(['N', 3, 'H', 'W']),
    answers: ['MODEL_OUT_OF_SCOPE'],
  },
  { what: 'an input of no known rank', file: Buffer.from(writeModel(rankless())), answers: ['MODEL_OUT_OF_SCOPE'] },
  {
    what: 'a zero dimension',
    file: withInput(['N', 3, 0, 8]),
    answers: ['SHAPE_MISMATCH', 'MODEL_INVALID', 'MODEL_OUT_OF_SCOPE'],
  },
  {
    what: 'more dimensions than data',
    file: model(reluGraph(bytes(5, rawTensor('w', [2, 3], Buffer.alloc(20))))),
    answers: ['MODEL_MALFORMED', 'MODEL_INVALID'],
  },
].map(({ what, file, answers }) => ({ group: 'wrong shapes', what, send: modelUpload(file), answers }) as HostileCase);

function rankless() {
  const proto = modelOf(parts);
  const [input] = proto.graph.inputs;
  const inputs = [{ name: input?.name ?? '', type: { kind: 'tensor', elementType: 1, shape: undefined } as const }];
  return { ...proto, graph: { ...proto.graph, inputs } };
}

const instead = (opType: string, domain = ''): Buffer =>
  Buffer.from(
    colorNetwork({ nodes: parts.nodes.map((item) => (item.opType === 'Relu' ? { ...item, opType, domain } : item)) }),
  );

const unknownOperators: HostileCase[] = [
  { what: 'an operator that is none', file: instead('Frobnicate'), answers: ['UNSUPPORTED_OPERATOR'] },
  {
    what: 'an operator of another domain',
    file: instead('Relu', 'evil.example.com'),
    answers: ['UNSUPPORTED_OPERATOR', 'UNSUPPORTED_OPSET'],
  },
  {
    what: 'NonMaxSuppression',
    file: instead('NonMaxSuppression'),
    answers: ['UNSUPPORTED_OPERATOR', 'MODEL_OUT_OF_SCOPE'],
  },
  { what: 'an LSTM', file: instead('LSTM'), answers: ['MODEL_OUT_OF_SCOPE', 'UNSUPPORTED_OPERATOR'] },
  {
    what: 'a Loop',
    file: model(
      Buffer.concat([
        bytes(1, nodeProto('Loop', ['x'], ['y'])),
        bytes(2, 'g'),
        bytes(11, valueInfo('x', [-1, 3])),
        bytes(12, valueInfo('y', [-1, 3])),
      ]),
    ),
    answers: ['MODEL_OUT_OF_SCOPE', 'UNSUPPORTED_OPERATOR'],
  },
  {
    what: 'an operator name of control characters',
    file: instead('Re\u0000lu\u001b[2J'),
    answers: ['UNSUPPORTED_OPERATOR', 'MODEL_MALFORMED'],
  },
  { what: 'operator set 4711', file: Buffer.from(colorNetwork({ opset: 4711 })), answers: ['UNSUPPORTED_OPSET'] },
  { what: 'operator set 1', file: Buffer.from(colorNetwork({ opset: 1 })), answers: ['UNSUPPORTED_OPSET'] },
].map(
  ({ what, file, answers }) => ({ group: 'unknown operators', what, send: modelUpload(file), answers }) as HostileCase,
);

const notFinite: HostileCase[] = [
  {
    what: 'NaN in a Conv weight',
    file: withInitializer('w', float([8, 3, 1, 1], [NaN, ...new Array<number>(23).fill(1)])),
  },
  { what: 'Infinity in a bias', file: withInitializer('bias', float([4], [0, Infinity, 0, 0])) },
  {
    what: '-Infinity in a Gemm weight',
    file: withInitializer('fc', float([4, 8], [...new Array<number>(31).fill(1), -Infinity])),
  },
  { what: 'NaN in a variance', file: withInitializer('variance', float([8], [1, 1, 1, NaN, 1, 1, 1, 1])) },
  { what: 'a signalling NaN in raw data', file: signallingNan() },
].map(({ what, file }) => ({ group: 'NaN weights', what, send: modelUpload(file), answers: ['MODEL_NOT_FINITE'] }));

function signallingNan(): Buffer {
  const marked = Buffer.from(withInitializer('bias', float([4], [0, 1.2345, 0, 0])));
  const value = Buffer.alloc(4);
  value.writeFloatLE(1.2345);
  marked.writeUInt32LE(0x7fa00001, marked.indexOf(value));
  return marked;
}

const outside = (fields: Readonly<Record<string, string>>): Buffer =>
  model(
    Buffer.concat([
      bytes(1, nodeProto('Mul', ['x', 'w'], ['y'])),
      bytes(2, 'g'),
      bytes(5, externalTensor('w', [1], fields)),
      bytes(11, valueInfo('x', [-1, 3, 8, 8])),
      bytes(12, valueInfo('y', [-1, 3, 8, 8])),
    ]),
  );

const externalPaths: HostileCase[] = [
  { what: 'external data in /etc', file: outside({ location: '/etc/passwd', offset: '0', length: '4' }) },
  { what: 'external data above the upload', file: outside({ location: '../../../etc/passwd' }) },
  { what: 'external data through a detour', file: outside({ location: 'a/../../secret.bin' }) },
  { what: 'external data at a URL', file: outside({ location: 'http://169.254.169.254/latest/meta-data' }) },
  { what: 'external data with a NUL in its name', file: outside({ location: 'w.bin\u0000.png' }) },
].map(({ what, file }) => ({
  group: 'path tricks',
  what,
  send: modelUpload(file),
  answers: ['EXTERNAL_DATA_INVALID'],
}));

/** External data that is there, but not where the model says. */
const externalRanges: HostileCase[] = [
  { what: 'external data that begins behind its end', fields: { location: 'w.bin', offset: '8', length: '4' } },
  { what: 'external data longer than its part', fields: { location: 'w.bin', offset: '2', length: '4' } },
  { what: 'external data at a negative offset', fields: { location: 'w.bin', offset: '-4', length: '4' } },
  { what: 'external data shorter than its tensor', fields: { location: 'w.bin', offset: '0', length: '2' } },
  { what: 'external data under another name', fields: { location: 'W.BIN' } },
].map(({ what, fields }) => ({
  group: 'wrong shapes',
  what,
  send: {
    kind: 'version',
    parts: [
      { name: 'model', value: outside(fields), fileName: 'm.onnx' },
      { name: 'external', value: Buffer.alloc(4), fileName: 'w.bin' },
    ],
  },
  answers: ['EXTERNAL_DATA_INVALID'],
}));

const inconsistent: HostileCase[] = [
  {
    what: 'a cycle',
    nodes: [
      node('Relu', ['b'], ['a']),
      node('Add', ['a', 'image'], ['b']),
      node('GlobalAveragePool', ['b'], ['scores']),
    ],
  },
  {
    what: 'a value that two nodes make',
    nodes: [node('Relu', ['image'], ['scores']), node('Sigmoid', ['image'], ['scores'])],
  },
  { what: 'a value that nobody makes', nodes: [node('Add', ['image', 'ghost'], ['scores'])] },
  { what: 'an output that nobody makes', nodes: [node('Relu', ['image'], ['elsewhere'])] },
  { what: 'no nodes at all', nodes: [] },
].map(({ what, nodes }) => ({
  group: 'inconsistent graphs',
  what,
  send: modelUpload(Buffer.from(colorNetwork({ nodes }))),
  answers: ['MODEL_INVALID', 'MODEL_MALFORMED'],
}));

export const modelCases: readonly HostileCase[] = [
  ...truncated,
  ...bitFlipped,
  ...protobufBombs,
  ...wrongShapes,
  ...unknownOperators,
  ...notFinite,
  ...externalPaths,
  ...externalRanges,
  ...inconsistent,
];
