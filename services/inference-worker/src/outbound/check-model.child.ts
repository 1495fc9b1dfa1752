import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { inspectOnnx } from '../domain/inspect-onnx.js';
import { fault, type Fault } from '../domain/outcome.js';
import { ModelRefused } from '../domain/onnx-wire.js';
import { tinyModel } from './execution-providers.js';
import type { CheckOrder, CheckReport } from './check-order.js';
import { ModelTrial } from './model-trial.js';

/** What is loaded and allocated once, by the first session of a process, is not the model's. */
const tiny = tinyModel;

/** Entry of the process that one model is checked in; it is killed when the answer is there, or does not come. */
process.on('disconnect', () => process.exit(0));
process.once('message', (order: CheckOrder) => {
  void check(order).then((report: CheckReport) => process.send?.(report));
});
const warmedUp = await new ModelTrial({ maxRows: 1, targetUs: 1 }, tiny.length).make(tiny, 'tiny', 0);
if (!warmedUp.ok) throw new Error(warmedUp.message);
await warmedUp.model.release();
process.send?.('ready');

async function check({ sha256, path, limit, maxOutputBytes }: CheckOrder): Promise<CheckReport> {
  const startMs = performance.now();
  const before = process.memoryUsage.rss();
  const bytes = await readFile(path);
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== sha256)
    return fault('hash-mismatch', `artifact ${sha256} is damaged: its content has the hash ${actual}`);
  const refused = inspect(sha256, bytes);
  if (refused !== undefined) return refused;
  const outcome = await new ModelTrial(limit, maxOutputBytes).make(bytes, sha256, startMs);
  if (!outcome.ok) return outcome;
  // The file that was read is not the session's; where pages of it were never touched by the growth, the file is the least that the model takes.
  const grown = process.memoryUsage.rss() - before - bytes.length;
  return { ok: true, memoryBytes: Math.max(grown, bytes.length) };
}

function inspect(sha256: string, bytes: Buffer): Fault | undefined {
  try {
    inspectOnnx(bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof ModelRefused)) throw error;
    return fault('run-failed', `model ${sha256} is no usable ONNX model: ${error.message}`);
  }
}
