import type { Metrics } from '#libs/telemetry/metrics.js';

const seconds = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1];

const table = {
  requests: {
    type: 'counter',
    name: 'millrace_inference_gateway_requests_total',
    help: 'ModelInfer calls by outcome: ok or an error code',
    labels: ['endpoint', 'outcome'],
  },
  predictions: {
    type: 'counter',
    name: 'millrace_inference_gateway_predictions_total',
    help: 'Rows answered, by the version that answered them and its arm: live or canary',
    labels: ['endpoint', 'model_version', 'arm'],
  },
  explained: {
    type: 'counter',
    name: 'millrace_inference_gateway_explained_total',
    help: 'Rows answered with contributions of their features',
    labels: ['endpoint'],
  },
  fallbacks: {
    type: 'counter',
    name: 'millrace_inference_gateway_fallbacks_total',
    help: 'Rows answered with the declared fallback',
    labels: ['endpoint'],
  },
  latencySeconds: {
    type: 'histogram',
    name: 'millrace_inference_gateway_latency_seconds',
    help: 'From a request decoded to its predictions logged, by arm: live, canary, or mixed where a request had rows of both',
    labels: ['endpoint', 'arm'],
    buckets: seconds,
  },
  shadows: {
    type: 'counter',
    name: 'millrace_inference_gateway_shadows_total',
    help: 'Answered rows that a candidate was shown and scored',
    labels: ['endpoint', 'model_version'],
  },
  unmirrored: {
    type: 'counter',
    name: 'millrace_inference_gateway_unmirrored_total',
    help: 'Answered rows that a candidate was not shown, by reason: queue-full, features-given, fallback, worker-away, overload or shutdown',
    labels: ['endpoint', 'reason'],
  },
  failures: {
    type: 'counter',
    name: 'millrace_inference_gateway_failures_total',
    help: 'Rows that a version could not answer, by arm: live, canary or shadow, and error code; worker-away is no failure of the version',
    labels: ['endpoint', 'model_version', 'arm', 'code'],
  },
  callsInFlight: {
    type: 'gauge',
    name: 'millrace_inference_gateway_calls_in_flight',
    help: 'Calls that are worked on',
  },
  concurrencyLimit: {
    type: 'gauge',
    name: 'millrace_inference_gateway_concurrency_limit',
    help: 'How many calls are worked on at a time, as found by what they take',
  },
  shed: {
    type: 'counter',
    name: 'millrace_inference_gateway_shed_total',
    help: 'Calls refused because too many were worked on: when they arrived, before anything of them was read, or when their priority was read',
    labels: ['when'],
  },
  feedback: {
    type: 'counter',
    name: 'millrace_inference_gateway_feedback_total',
    help: 'Items of feedback by outcome: ok or an error code',
    labels: ['outcome'],
  },
  unkeptPredictions: {
    type: 'counter',
    name: 'millrace_inference_gateway_unkept_predictions_total',
    help: 'Rows that were scored and not answered, because the write-ahead log was full or could not be written',
  },
  unkeptNotes: {
    type: 'counter',
    name: 'millrace_inference_gateway_unkept_notes_total',
    help: 'Shadows, failures and counts of unmirrored rows that the write-ahead log did not take',
  },
  featureBatchRows: {
    type: 'histogram',
    name: 'millrace_inference_gateway_feature_batch_rows',
    help: 'Rows that one question to the feature store carried',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 1000],
  },
  cacheLooks: {
    type: 'counter',
    name: 'millrace_inference_gateway_cache_looks_total',
    help: 'Rows, and requests to models of any kind, that were looked for in the response cache, by result: hit or miss',
    labels: ['endpoint', 'result'],
  },
  cacheEvictions: {
    type: 'counter',
    name: 'millrace_inference_gateway_cache_evictions_total',
    help: 'Answers that the response cache keeps no longer, by reason: expired, entries or bytes',
    labels: ['reason'],
  },
  cacheBytes: {
    type: 'gauge',
    name: 'millrace_inference_gateway_cache_bytes',
    help: 'What the response cache holds, about',
  },
  cacheEntries: {
    type: 'gauge',
    name: 'millrace_inference_gateway_cache_entries',
    help: 'Answers that the response cache holds',
  },
  logBytes: {
    type: 'gauge',
    name: 'millrace_inference_gateway_log_bytes',
    help: 'Predictions in the write-ahead log that have not been shipped, in whole segments',
  },
  leftOverBytes: {
    type: 'gauge',
    name: 'millrace_inference_gateway_left_over_bytes',
    help: 'Predictions in the logs of processes that are no more, which have not been shipped, in whole segments',
  },
  shippedBlocks: {
    type: 'counter',
    name: 'millrace_inference_gateway_shipped_blocks_total',
    help: 'Blocks of predictions that Kafka has acknowledged',
  },
} as const;

export function inferenceGatewayMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type InferenceGatewayMetrics = ReturnType<typeof inferenceGatewayMetrics>;
