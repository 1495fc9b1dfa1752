import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  events: {
    type: 'counter',
    name: 'millrace_validator_events_total',
    help: 'Raw events by outcome: valid, late (valid too), quarantined, duplicate',
    labels: ['stream', 'outcome'],
  },
  reasons: {
    type: 'counter',
    name: 'millrace_validator_quarantine_reasons_total',
    help: 'Reasons for quarantine',
    labels: ['stream', 'code'],
  },
  quarantinedRows: {
    type: 'counter',
    name: 'millrace_validator_quarantined_rows_total',
    help: 'Quarantined events written to ClickHouse',
    labels: ['stream'],
  },
} as const;

export function validatorMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type ValidatorMetrics = ReturnType<typeof validatorMetrics>;
