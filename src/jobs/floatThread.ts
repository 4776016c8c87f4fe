import { readFile } from 'node:fs/promises';
import { parentPort } from 'node:worker_threads';
import { AppError, present, toProblem, unreachable } from '../base/index.ts';
import type { FloatExecutor, FloatSession, Graph } from '../graph/index.ts';
import { readModel } from '../onnx/index.ts';
import { asItIs, checkOnnxFile, loadOnnxruntime, openOnnxFile } from '../onnxruntime/index.ts';
import { referenceExecutor } from '../reference/index.ts';
import { importModel } from '../transform/index.ts';
import { fromWire, toWire, type FloatAnswer, type FloatCall, type FloatReply, type ToFloatThread } from './messages.ts';

/** Networks kept loaded; the one that was used longest ago makes room. */
const LOADED_SESSIONS = 4;

/** Entry of the thread that runs fp32 versions, one call after the other: its parent sends the next after the answer. */
const port = present(parentPort, 'parent of the float thread');
const sessions = new Map<string, FloatSession>();
let executor: Promise<FloatExecutor> | undefined;

port.on('message', ({ call, request, path }: ToFloatThread) => {
  void answer(call, request, path).then((message) => {
    const transfer =
      message.kind === 'answered' && message.reply.kind === 'inferred'
        ? message.reply.outputs.map(({ bytes }) => bytes.buffer as ArrayBuffer)
        : [];
    port.postMessage(message, transfer);
  });
});

async function answer(call: number, request: FloatCall, path: string | undefined): Promise<FloatAnswer> {
  try {
    return { kind: 'answered', call, reply: await perform(request, path) };
  } catch (error) {
    return { kind: 'refused', call, problem: toProblem(error) };
  }
}

async function perform(request: FloatCall, path: string | undefined): Promise<FloatReply> {
  switch (request.kind) {
    case 'describe':
      return { kind: 'described', facts: { executor: (await floatExecutor()).name } };
    case 'unload':
      await unload(request.sha256);
      return { kind: 'unloaded' };
    case 'check': {
      await checkOnnxFile(await readFile(request.path));
      return { kind: 'checked' };
    }
    case 'infer': {
      const session = await loaded(request.sha256, present(path, 'path of the model'));
      const feeds = fromWire(request.feeds);
      const start = performance.now();
      const outputs = await session.run(feeds);
      const computeMs = performance.now() - start;
      // Copied: an executor may keep its own memory behind a result.
      return {
        kind: 'inferred',
        outputs: toWire(outputs).map((wire) => ({ ...wire, bytes: wire.bytes.slice() })),
        computeMs,
      };
    }
    default:
      return unreachable(request);
  }
}

async function floatExecutor(): Promise<FloatExecutor> {
  executor ??= loadOnnxruntime().then((found) => found ?? referenceExecutor);
  return executor;
}

async function loaded(sha256: string, path: string): Promise<FloatSession> {
  const known = sessions.get(sha256);
  if (known !== undefined) {
    // Moves it to the end: a Map is in order of insertion.
    sessions.delete(sha256);
    sessions.set(sha256, known);
    return known;
  }
  const [oldest] = sessions.keys();
  if (oldest !== undefined && sessions.size >= LOADED_SESSIONS) await unload(oldest);
  const bytes = await readFile(path).catch(() => {
    throw new AppError('ARTIFACT_DAMAGED', `The stored file ${sha256} is missing.`, { sha256 });
  });
  const session = await open(bytes);
  sessions.set(sha256, session);
  return session;
}

/** A network that our import refuses is left to onnxruntime as it is. */
async function open(bytes: Uint8Array): Promise<FloatSession> {
  let graph: Graph;
  try {
    graph = importModel(readModel(bytes));
  } catch (error) {
    if (error instanceof AppError && error.code === 'UNSUPPORTED_OPERATOR') return openOnnxFile(bytes, asItIs);
    throw error;
  }
  return (await floatExecutor()).load(graph, graph.outputs);
}

async function unload(sha256: string): Promise<void> {
  const session = sessions.get(sha256);
  sessions.delete(sha256);
  await session?.close();
}
