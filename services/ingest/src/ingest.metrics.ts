import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  events: {
    type: 'counter',
    name: 'millrace_ingest_events_total',
    help: 'Events by outcome: accepted (all in-sync replicas have it) or the code of the refusal',
    labels: ['stream', 'outcome'],
  },
  waitingBytes: { type: 'gauge', name: 'millrace_ingest_waiting_bytes', help: 'Bytes that wait for Kafka' },
  batchRecords: {
    type: 'histogram',
    name: 'millrace_ingest_batch_records',
    help: 'Records that one send to Kafka carried',
    buckets: [1, 4, 16, 64, 256, 1024, 4096],
  },
} as const;

export function ingestMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type IngestMetrics = ReturnType<typeof ingestMetrics>;
