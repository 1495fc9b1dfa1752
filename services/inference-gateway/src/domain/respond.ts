import { ModelInferResponse } from '#libs/contracts/generated/inference/v2/inference.js';
import { encodeStrings, float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { LiveEndpoint } from './arms.js';
import { scoreName } from './model-metadata.js';
import type { Scored } from './scored.js';

/** The answer: score FP32 [rows] and prediction_id BYTES [rows]; where two versions answered, model_version BYTES [rows] too. Its own model_version is the first row's. */
export function respond(
  endpoint: LiveEndpoint,
  id: string,
  { scores, fallback, byCandidate }: Scored,
  predictionIds: readonly string[],
): ModelInferResponse {
  const { plan, version, candidate } = endpoint;
  const shape = [scores.length];
  const response = ModelInferResponse.fromPartial({
    modelName: plan.name,
    modelVersion: byCandidate?.[0] === 1 ? candidate!.version.version : version.version,
    id,
    parameters: fallback ? { fallback: { parameterChoice: { $case: 'boolParam', boolParam: true } } } : {},
    outputs: [
      { name: scoreName(plan.task), datatype: 'FP32', shape },
      { name: 'prediction_id', datatype: 'BYTES', shape },
    ],
    rawOutputContents: [float32Bytes(scores), encodeStrings(predictionIds)],
  });
  if (byCandidate !== undefined && byCandidate.includes(0) && byCandidate.includes(1)) {
    const versions = Array.from(byCandidate, (mark) => (mark === 1 ? candidate!.version : version).version);
    response.outputs.push({ name: 'model_version', datatype: 'BYTES', shape, parameters: {}, contents: undefined });
    response.rawOutputContents.push(encodeStrings(versions));
  }
  return response;
}
