import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  runs: {
    type: 'counter',
    name: 'millrace_trainer_runs_total',
    help: 'Runs that ended, by state',
    labels: ['pipeline', 'state'],
  },
  stepSeconds: {
    type: 'histogram',
    name: 'millrace_trainer_step_seconds',
    help: 'Steps that succeeded',
    labels: ['step'],
    buckets: [0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800],
  },
  triggers: {
    type: 'counter',
    name: 'millrace_trainer_triggers_total',
    help: 'Triggers decided, by what they were and what became of them',
    labels: ['reason', 'decision'],
  },
} as const;

export function trainerMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type TrainerMetrics = ReturnType<typeof trainerMetrics>;
