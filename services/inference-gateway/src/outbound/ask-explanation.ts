import { InferBatch, type InferResult } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { Explanation, ExplanationQuestion } from '../domain/ports.js';

type Ask = (batch: InferBatch, timeoutMs: number) => Promise<InferResult>;

/**
 * Asks one worker for contributions, and another one where the first is away. No breaker: what goes wrong with explanations says nothing of a worker's predictions.
 * @param workers the one to ask first @param traceparents W3C
 * @throws MillraceError unavailable, deadline-exceeded, resource-exhausted, internal
 */
export async function askExplanation(
  workers: readonly Ask[],
  { onnxSha256, backgroundSha256, rows, input }: ExplanationQuestion,
  timeoutMs: number,
  traceparents: string[],
): Promise<Explanation> {
  const features = input.length / rows;
  const batch = InferBatch.create({
    onnxSha256,
    rows,
    features,
    input: float32Bytes(input),
    timeoutMs,
    traceparents,
    explain: true,
    backgroundSha256,
  });
  const [first, second] = workers;
  const { contributions, baseValue, explainedBy } = await first!(batch, timeoutMs).catch((error: unknown) => {
    if (second === undefined || !(error instanceof MillraceError) || error.code !== 'unavailable') throw error;
    return second(batch, timeoutMs);
  });
  const cells = rows * features;
  if (contributions.byteLength !== cells * Float64Array.BYTES_PER_ELEMENT)
    throw new MillraceError(
      'internal',
      `inference-worker: ${contributions.byteLength} bytes of contributions for ${cells} cells`,
    );
  const values = new Float64Array(Uint8Array.from(contributions).buffer);
  return { contributions: values, baseValue, by: explainedBy };
}
