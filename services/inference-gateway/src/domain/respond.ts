import type { Answer, OutputTensor } from './answer.js';
import type { LiveEndpoint } from './arms.js';
import { classify } from './classification.js';
import type { InferRequest, RequestedOutput } from './infer-request.js';
import { outputNames } from './model-metadata.js';
import type { RowIds } from './ports.js';
import { rowIdBytes } from './row-ids.js';
import type { Scored } from './scored.js';

/**
 * The answer: score FP32 [rows] and prediction_id BYTES [rows]; where two versions answered, model_version BYTES [rows] too; or what is requested of them, in that order.
 * Its own model_version is the first row's.
 */
export function respond(
  endpoint: LiveEndpoint,
  { id, outputs }: Pick<InferRequest, 'id' | 'outputs'>,
  scored: Omit<Scored, 'features'>,
  ids: readonly string[] | RowIds,
): Answer {
  const { plan, version, candidate } = endpoint;
  const { scores, fallback, byCandidate } = scored;
  const [scoreName, idName, versionName] = outputNames(plan);
  const mixed = byCandidate !== undefined && byCandidate.includes(0) && byCandidate.includes(1);
  const all = mixed ? [scoreName, idName, versionName] : [scoreName, idName];
  const wanted: readonly RequestedOutput[] = outputs.length > 0 ? outputs : all.map((name) => ({ name, classes: 0 }));
  const shape = [scores.length];
  return {
    modelName: plan.name,
    modelVersion: byCandidate?.[0] === 1 ? candidate!.version.version : version.version,
    id,
    fallback,
    answeredBy: answeredBy(endpoint, scored),
    timesMs: scored.timesMs,
    outputs: wanted.map(({ name, classes }): OutputTensor => {
      if (name === scoreName)
        return classes > 0
          ? classify(plan.task, name, scores, classes)
          : { name, datatype: 'FP32', shape, values: scores };
      if (name === idName && 'block' in ids)
        return { name, datatype: 'BYTES', shape, data: rowIdBytes(ids, shape[0]!) };
      const values = name === idName ? (ids as readonly string[]) : versionsOf(endpoint, scored);
      return { name, datatype: 'BYTES', shape, values };
    }),
  };
}

function versionsOf({ version, candidate }: LiveEndpoint, { scores, byCandidate }: Omit<Scored, 'features'>): string[] {
  const mark = (i: number) => (byCandidate?.[i] === 1 ? candidate!.version : version).version;
  return Array.from(scores, (_, i) => mark(i));
}

function answeredBy(
  { version, candidate }: LiveEndpoint,
  { scores, byCandidate }: Omit<Scored, 'features'>,
): Answer['answeredBy'] {
  let theirs = 0;
  for (const mark of byCandidate ?? []) theirs += mark;
  const ours = { version: version.version, rows: scores.length - theirs };
  return theirs === 0
    ? [ours]
    : [ours, { version: candidate!.version.version, rows: theirs }].filter(({ rows }) => rows > 0);
}
