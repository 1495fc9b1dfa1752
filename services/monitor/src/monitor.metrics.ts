import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  predictions: { type: 'counter', name: 'millrace_monitor_predictions_total', help: 'Predictions written to the log' },
  shadows: {
    type: 'counter',
    name: 'millrace_monitor_shadow_predictions_total',
    help: "Candidates' answers to mirrored rows, written",
  },
  failures: { type: 'counter', name: 'millrace_monitor_failures_total', help: 'Rows that a version failed, written' },
  feedback: { type: 'counter', name: 'millrace_monitor_feedback_total', help: 'Feedback of callers, written' },
  judgements: {
    type: 'counter',
    name: 'millrace_monitor_judgements_total',
    help: 'Looks at a rollout, by what came of them',
    labels: ['outcome'],
  },
  judgeSeconds: {
    type: 'histogram',
    name: 'millrace_monitor_judge_seconds',
    help: 'One look at a rollout, from statistics to published',
    buckets: [0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
  },
  blocksSeen: {
    type: 'counter',
    name: 'millrace_monitor_blocks_seen_before_total',
    help: 'Blocks dropped because they had been written: a gateway sent them again',
  },
  unreadable: {
    type: 'counter',
    name: 'millrace_monitor_unreadable_total',
    help: 'Records that are no block of predictions',
  },
  labels: { type: 'counter', name: 'millrace_monitor_labels_total', help: 'Labels written', labels: ['model'] },
  insertSeconds: {
    type: 'histogram',
    name: 'millrace_monitor_insert_seconds',
    help: 'One chunk into the prediction log',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
  },
  alerts: {
    type: 'counter',
    name: 'millrace_monitor_alerts_total',
    help: 'Changes of alerts',
    labels: ['breach', 'state'],
  },
  webhookFailures: {
    type: 'counter',
    name: 'millrace_monitor_webhook_failures_total',
    help: 'Alerts that a webhook did not take in all its tries',
    labels: ['monitor'],
  },
  alertmanagerFailures: {
    type: 'counter',
    name: 'millrace_monitor_alertmanager_failures_total',
    help: 'Times that the Alertmanager did not take what fires; it is told again within a minute',
  },
  watchFailures: {
    type: 'counter',
    name: 'millrace_monitor_watch_failures_total',
    help: 'Rounds in which a Monitor could not be looked after',
    labels: ['monitor'],
  },
  watchSeconds: {
    type: 'histogram',
    name: 'millrace_monitor_watch_seconds',
    help: 'One round over all Monitors',
    buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 20],
  },
} as const;

export function monitorMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type MonitorMetrics = ReturnType<typeof monitorMetrics>;
