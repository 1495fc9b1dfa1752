import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  eventsApplied: {
    type: 'counter',
    name: 'millrace_feature_store_events_applied_total',
    help: 'Records of valid topics applied to the online store',
    labels: ['stream'],
  },
  historyRows: {
    type: 'counter',
    name: 'millrace_feature_store_history_rows_total',
    help: 'Events written to the history',
    labels: ['stream'],
  },
  vectors: {
    type: 'counter',
    name: 'millrace_feature_store_vectors_total',
    help: 'Online vectors served',
    labels: ['feature_service'],
  },
  serveSeconds: {
    type: 'histogram',
    name: 'millrace_feature_store_serve_seconds',
    help: 'From a batch of questions to its answers',
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
  },
  late: {
    type: 'counter',
    name: 'millrace_feature_store_late_questions_total',
    help: 'Questions refused unread because nobody waited for them any more',
  },
  mismatches: {
    type: 'counter',
    name: 'millrace_feature_store_vector_mismatches_total',
    help: 'Logged vectors that differ from their recomputation',
    labels: ['endpoint'],
  },
} as const;

export function featureStoreMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type FeatureStoreMetrics = ReturnType<typeof featureStoreMetrics>;
