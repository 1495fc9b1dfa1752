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
  rolloutMoves: {
    type: 'counter',
    name: 'millrace_registry_rollout_moves_total',
    help: 'Moves of rollouts that people, judgements and offers made, by the state that they led to',
    labels: ['to'],
  },
  judgements: {
    type: 'counter',
    name: 'millrace_registry_judgements_total',
    help: 'Judgements that came, by what they did: moved, unmoved, passed-over',
    labels: ['outcome'],
  },
  approvals: {
    type: 'counter',
    name: 'millrace_registry_approvals_total',
    help: 'Decisions on approvals that came, by what they did: moved, unmoved, passed-over',
    labels: ['outcome'],
  },
  artifactBytes: { type: 'counter', name: 'millrace_registry_artifact_bytes_total', help: 'Bytes stored as artifacts' },
} as const;

export function registryMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type RegistryMetrics = ReturnType<typeof registryMetrics>;
