import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  recorded: {
    type: 'counter',
    name: 'millrace_governance_lineage_recorded_total',
    help: 'Lineage events recorded, each once',
  },
  repeated: {
    type: 'counter',
    name: 'millrace_governance_lineage_repeated_total',
    help: 'Lineage events that came again and were passed over',
  },
  refused: {
    type: 'counter',
    name: 'millrace_governance_lineage_refused_total',
    help: 'Lineage events that are none by the rules of OpenLineage 2-0-2',
  },
  forwarded: {
    type: 'counter',
    name: 'millrace_governance_lineage_forwarded_total',
    help: 'Lineage events that another server was sent, by what it answered',
    labels: ['outcome'], // taken | refused | tried
  },
} as const;

export function lineageMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type LineageMetrics = ReturnType<typeof lineageMetrics>;
