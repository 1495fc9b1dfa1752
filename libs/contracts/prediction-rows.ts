import { Prediction } from './generated/millrace/predictions/v1/predictions.js';

/** What is told of one request, and not of others of its endpoint; the rest is the same of nearly all requests of a block. */
type Own = Pick<Prediction, 'requestId' | 'asOfMs' | 'latencyUs' | 'traceId' | 'featuresUs' | 'inferUs'>;

const nothing = Prediction.create();

/** Whether two predictions differ in nothing but what is their own: then `PredictionRows.like` may say so. Bytes are the same where they are the same buffer. */
export function isLike(one: Prediction, other: Prediction): boolean {
  return (
    one.endpoint === other.endpoint &&
    one.modelVersion === other.modelVersion &&
    one.caller === other.caller &&
    one.arm === other.arm &&
    one.fallback === other.fallback &&
    one.answeredAtMs === other.answeredAtMs &&
    one.rolloutId === other.rolloutId &&
    one.rolloutStep === other.rolloutStep &&
    one.model === other.model &&
    one.featureService === other.featureService &&
    one.featureServiceDigest === other.featureServiceDigest &&
    one.requestJson === other.requestJson &&
    one.featuresGiven === other.featuresGiven &&
    one.joinKey === other.joinKey &&
    one.stickyKey === other.stickyKey &&
    one.snapshot === other.snapshot &&
    one.cached === other.cached &&
    one.explained === other.explained &&
    one.payloadSampledOut === other.payloadSampledOut
  );
}

/** A prediction of what is its own alone. */
export function ownOf(shared: Prediction): Prediction {
  return withOwn(nothing, shared);
}

/** @param own of which nothing else is read */
export function withOwn(whole: Prediction, own: Own): Prediction {
  const { requestId, asOfMs, latencyUs, traceId, featuresUs, inferUs } = own;
  return { ...whole, requestId, asOfMs, latencyUs, traceId, featuresUs, inferUs };
}
