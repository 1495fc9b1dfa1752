import type { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import type { RowBinary } from './row-binary.js';

/** A table of `monitoring` that is filled from blocks; `writeBlock` writes values in the order of the columns. */
interface BlockTable {
  readonly name: string;
  readonly columns: string;
  readonly writeBlock: (rows: RowBinary, block: PredictionBlock) => void;
}

export const blockTables: readonly BlockTable[] = [
  {
    name: 'predictions',
    columns:
      'prediction_id, request_id, endpoint, model, model_version, feature_service, feature_service_digest, as_of, answered_at, join_key, sticky_key, request, features, outputs, score, ' +
      'features_given, fallback, latency_us, caller, position_streams, position_watermarks, position_offsets, log_id, log_sequence, arm, rollout_id, rollout_step, trace_id, ' +
      'features_us, infer_us, cached, explained, payload_sampled_out',
    writeBlock: writePredictions,
  },
  {
    name: 'shadow_predictions',
    columns:
      'primary_id, endpoint, model, model_version, rollout_id, rollout_step, as_of, outputs, score, run_us, answered_at',
    writeBlock: writeShadows,
  },
  {
    name: 'prediction_failures',
    columns:
      'endpoint, model, model_version, arm, rollout_id, rollout_step, code, message, as_of, failed_at, primary_id',
    writeBlock: writeFailures,
  },
  {
    name: 'unmirrored',
    columns: 'endpoint, rollout_id, rollout_step, reason, rows, at',
    writeBlock: writeUnmirrored,
  },
  {
    name: 'feedback',
    columns: 'feedback_id, prediction_id, label, score, comment, caller, given_at, log_id, log_sequence, log_place',
    writeBlock: writeFeedback,
  },
];

function writePredictions(rows: RowBinary, { walId, sequence, predictions, snapshots }: PredictionBlock): void {
  for (const one of predictions) {
    for (const text of [
      one.predictionId,
      one.requestId,
      one.endpoint,
      one.model,
      one.modelVersion,
      one.featureService,
      one.featureServiceDigest,
    ])
      rows.string(text);
    rows.int64(one.asOfMs);
    rows.int64(one.answeredAtMs);
    rows.string(one.joinKey);
    rows.string(one.stickyKey);
    rows.blob(one.requestJson);
    rows.float32Array(one.features);
    rows.array(one.outputs, (value) => rows.float32(value));
    rows.float32(one.outputs.at(-1) ?? Number.NaN);
    rows.bool(one.featuresGiven);
    rows.bool(one.fallback);
    rows.uint32(one.latencyUs);
    rows.string(one.caller);
    const positions = snapshots[one.snapshot]?.positions ?? [];
    rows.array(positions, ({ stream }) => rows.string(stream));
    rows.array(positions, ({ watermarkMs }) => rows.int64(watermarkMs));
    rows.array(positions, ({ appliedOffsets }) => rows.array(appliedOffsets, (offset) => rows.int64(offset)));
    rows.string(walId);
    rows.int64(sequence);
    rows.string(one.arm || 'live'); // blocks of before there were rollouts say none
    rows.string(one.rolloutId);
    rows.uint32(one.rolloutStep);
    rows.string(one.traceId);
    rows.uint32(one.featuresUs);
    rows.uint32(one.inferUs);
    rows.bool(one.cached);
    rows.bool(one.explained);
    rows.bool(one.payloadSampledOut);
  }
}

function writeShadows(rows: RowBinary, { shadows }: PredictionBlock): void {
  for (const one of shadows) {
    for (const text of [one.primaryId, one.endpoint, one.model, one.modelVersion, one.rolloutId]) rows.string(text);
    rows.uint32(one.rolloutStep);
    rows.int64(one.asOfMs);
    rows.array(one.outputs, (value) => rows.float32(value));
    rows.float32(one.outputs.at(-1) ?? Number.NaN);
    rows.uint32(one.runUs);
    rows.int64(one.answeredAtMs);
  }
}

function writeFailures(rows: RowBinary, { failures }: PredictionBlock): void {
  for (const one of failures) {
    for (const text of [one.endpoint, one.model, one.modelVersion, one.arm, one.rolloutId]) rows.string(text);
    rows.uint32(one.rolloutStep);
    rows.string(one.code);
    rows.string(one.message);
    rows.int64(one.asOfMs);
    rows.int64(one.failedAtMs);
    rows.string(one.primaryId);
  }
}

function writeUnmirrored(rows: RowBinary, { unmirrored }: PredictionBlock): void {
  for (const one of unmirrored) {
    rows.string(one.endpoint);
    rows.string(one.rolloutId);
    rows.uint32(one.rolloutStep);
    rows.string(one.reason);
    rows.int64(one.rows);
    rows.int64(one.atMs);
  }
}

function writeFeedback(rows: RowBinary, { walId, sequence, feedback }: PredictionBlock): void {
  for (const [place, one] of feedback.entries()) {
    rows.string(one.feedbackId);
    rows.string(one.predictionId);
    rows.float64(one.label);
    rows.float64(one.score);
    rows.string(one.comment);
    rows.string(one.caller);
    rows.int64(one.givenAtMs);
    rows.string(walId);
    rows.int64(sequence);
    rows.uint32(place);
  }
}
