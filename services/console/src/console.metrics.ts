import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  sessions: { type: 'gauge', name: 'millrace_console_sessions', help: 'People signed in' },
  streams: { type: 'gauge', name: 'millrace_console_streams', help: 'Open live streams' },
  signIns: {
    type: 'counter',
    name: 'millrace_console_sign_ins_total',
    help: 'Attempts to sign in',
    labels: ['outcome'],
  },
  frameSeconds: {
    type: 'histogram',
    name: 'millrace_console_frame_seconds',
    help: 'One picture of the mesh, made for all who look',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  },
} as const;

export function consoleMetrics(metrics: Metrics) {
  return metrics.create(table);
}
export type ConsoleMetrics = ReturnType<typeof consoleMetrics>;
