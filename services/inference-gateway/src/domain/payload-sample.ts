import type { Prediction } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { murmur3 } from './split.js';

/** Any constant does, as long as it stays. */
const seed = 0;
const range = 2 ** 32;
const nothing = Buffer.alloc(0);

/** Whether a prediction keeps its request and features: murmur3 of its id, mapped to [0, 1), is below the share. The id alone decides, so that anybody can tell afterwards. @param share 0..1 */
export function keepsPayload(predictionId: string, share: number): boolean {
  return murmur3(Buffer.from(predictionId), seed) / range < share;
}

/** Leaves request and features out of a prediction that the sample of its endpoint has not in it; the row stays whatever the sample says. */
export function samplePayload(prediction: Prediction, share: number): void {
  if (keepsPayload(prediction.predictionId, share)) return;
  prediction.requestJson = nothing;
  prediction.features = nothing;
  prediction.payloadSampledOut = true;
}
