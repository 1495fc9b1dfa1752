import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { inspectOnnx } from '../domain/inspect-onnx.js';
import { fault, type Fault } from '../domain/outcome.js';
import { ModelRefused } from '../domain/onnx-wire.js';
import type { CheckOrder, CheckReport } from './check-order.js';
import { ModelTrial } from './model-trial.js';

/** Entry of the process that one model is checked in; it is killed when the answer is there, or does not come. */
process.on('disconnect', () => process.exit(0));
process.once('message', (order: CheckOrder) => {
  void check(order).then(report);
});
report({ ready: true });

async function check({ sha256, path, limit, maxOutputBytes }: CheckOrder): Promise<CheckReport> {
  const startMs = performance.now();
  const bytes = await readFile(path);
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== sha256)
    return { refused: fault('hash-mismatch', `artifact ${sha256} is damaged: its content has the hash ${actual}`) };
  const refused = inspect(sha256, bytes);
  if (refused !== undefined) return { refused };
  const outcome = await new ModelTrial(limit, maxOutputBytes).make(bytes, sha256, startMs);
  return outcome.ok ? {} : { refused: outcome };
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

function report(message: CheckReport): void {
  process.send?.(message);
}
