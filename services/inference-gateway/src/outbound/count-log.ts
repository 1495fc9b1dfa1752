import type { Notes, Unlogged, UnloggedRows } from '../domain/ports.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';

type AnswerMetrics = Pick<InferenceGatewayMetrics, 'predictions' | 'explained' | 'fallbacks' | 'latencySeconds'>;
type NoteMetrics = Pick<InferenceGatewayMetrics, 'shadows' | 'unmirrored' | 'failures'>;

/** Counts the rows of one request as they have been kept. @param nowMs performance.now() */
export function countAnswer(metrics: AnswerMetrics, rows: readonly Unlogged[], nowMs: number): void {
  const { prediction, startedMs } = rows[0]!;
  const { endpoint, arm } = prediction;
  let same = 0;
  for (const row of rows) if (row.prediction.arm === arm) same += 1;
  const other = same === rows.length ? undefined : rows.find((row) => row.prediction.arm !== arm)!.prediction;
  metrics.predictions.inc({ endpoint, model_version: prediction.modelVersion, arm }, same);
  if (other !== undefined)
    metrics.predictions.inc({ endpoint, model_version: other.modelVersion, arm: other.arm }, rows.length - same);
  if (prediction.explained) metrics.explained.inc({ endpoint }, rows.length);
  if (prediction.fallback) metrics.fallbacks.inc({ endpoint }, rows.length);
  metrics.latencySeconds.observe({ endpoint, arm: other === undefined ? arm : 'mixed' }, (nowMs - startedMs) / 1_000);
}

/** The same of requests whose rows were kept in one piece each: together for those that follow each other and were answered by the same version. */
export function countRows(metrics: AnswerMetrics, requests: readonly UnloggedRows[], nowMs: number): void {
  let answered = 0;
  for (const [i, { shared, rows, startedMs }] of requests.entries()) {
    const { endpoint, arm, modelVersion, fallback } = shared;
    answered += rows;
    const next = requests[i + 1]?.shared;
    if (next?.endpoint !== endpoint || next.arm !== arm || next.modelVersion !== modelVersion) {
      metrics.predictions.inc({ endpoint, model_version: modelVersion, arm }, answered);
      answered = 0;
    }
    if (fallback) metrics.fallbacks.inc({ endpoint }, rows);
    metrics.latencySeconds.observe({ endpoint, arm }, (nowMs - startedMs) / 1_000);
  }
}

export function countNotes(metrics: NoteMetrics, { shadows, failures, unmirrored }: Notes): void {
  for (const { endpoint, modelVersion } of shadows ?? [])
    metrics.shadows.inc({ endpoint, model_version: modelVersion });
  for (const { endpoint, modelVersion, arm, code } of failures ?? [])
    metrics.failures.inc({ endpoint, model_version: modelVersion, arm, code });
  for (const { endpoint, reason, rows } of unmirrored ?? []) metrics.unmirrored.inc({ endpoint, reason }, rows);
}
