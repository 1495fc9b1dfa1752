import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  changes: {
    type: 'counter',
    name: 'millrace_registry_changes_total',
    help: 'Definitions that changed, by kind and action',
    labels: ['kind', 'action'],
  },
  published: {
    type: 'counter',
    name: 'millrace_registry_published_total',
    help: 'Records of the outbox that Kafka has acknowledged',
    labels: ['topic'],
  },
  artifactBytes: { type: 'counter', name: 'millrace_registry_artifact_bytes_total', help: 'Bytes stored as artifacts' },
} as const;

export function registryMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type RegistryMetrics = ReturnType<typeof registryMetrics>;
