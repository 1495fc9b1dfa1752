import { createHash } from 'node:crypto';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import type { Arm } from './arms.js';
import type { EndpointPlan } from './endpoint-plan.js';
import type { ModelRunner } from './ports.js';
import type { ResponseCache } from './response-cache.js';

/** A vector of more bytes is a digest in its key. */
const maxKeyBytes = 512;
const float32Bytes = 4;
/** A number in an entry. */
const scoreBytes = 8;

/**
 * Scores of rows, those that a version has been asked before without a run. A row's key is the version's SHA-256 and the vector as the model reads it, bit for bit: so the features have been looked up, and
 * an answer is never of features, nor of a version, that another row had. Equal rows that are in flight together are each run: who waits for another's run would fail with it, and by its deadline.
 */
export class CachedRunner {
  constructor(
    private readonly runner: ModelRunner,
    private readonly cache: ResponseCache,
  ) {}

  /**
   * @param input float32 [rows, features], row-major
   * @param mark told of each row whether it was answered without a run (1), when all have their score
   * @throws what the runner throws; then nothing is kept or marked
   */
  async run(
    { name, cache: policy }: EndpointPlan,
    { version: { onnxSha256 }, arm }: Arm,
    rows: number,
    input: Float32Array,
    trace: TraceContext | undefined,
    untilMs: number,
    mark: (row: number, hit: 0 | 1) => void,
  ): Promise<Float32Array> {
    const scores = new Float32Array(rows);
    const keys = keysOf(onnxSha256, rows, input);
    const missed: number[] = [];
    for (let row = 0; row < rows; row++) {
      const found = this.cache.get(name, keys[row]!);
      if (typeof found === 'number') scores[row] = found;
      else missed.push(row);
    }
    this.cache.told(name, rows - missed.length, missed.length);
    if (missed.length > 0) {
      const asked = missed.length === rows ? input : rowsOf(input, missed, input.length / rows);
      const run = await this.runner.run(onnxSha256, missed.length, asked, arm, trace, untilMs);
      missed.forEach((row, i) => {
        const score = (scores[row] = run[i]!);
        // What is no number is a failure of the model, and not to be repeated.
        if (Number.isFinite(score)) this.cache.put(name, policy!, keys[row]!, score, scoreBytes);
      });
    }
    for (let row = 0, i = 0; row < rows; row++) {
      const isMiss = missed[i] === row;
      if (isMiss) i += 1;
      mark(row, isMiss ? 0 : 1);
    }
    return scores;
  }
}

/** Bits, not numbers: -0 is not 0, and one NaN not another. Latin-1, one character a byte. */
function keysOf(sha256: string, rows: number, input: Float32Array): string[] {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const rowBytes = (input.length / rows) * float32Bytes;
  return Array.from({ length: rows }, (_, row) => {
    const part = bytes.subarray(row * rowBytes, (row + 1) * rowBytes);
    if (rowBytes <= maxKeyBytes) return sha256 + part.toString('latin1');
    return sha256 + createHash('sha256').update(part).digest('base64');
  });
}

function rowsOf(input: Float32Array, rows: readonly number[], width: number): Float32Array {
  const part = new Float32Array(rows.length * width);
  rows.forEach((row, i) => part.set(input.subarray(row * width, (row + 1) * width), i * width));
  return part;
}
