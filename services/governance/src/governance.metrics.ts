import type { Metrics } from '#libs/telemetry/metrics.js';

const table = {
  entries: { type: 'counter', name: 'millrace_governance_entries_total', help: 'Entries added to the audit log' },
  repeated: {
    type: 'counter',
    name: 'millrace_governance_repeated_total',
    help: 'Audit events that came again and were passed over',
  },
  unreadable: {
    type: 'counter',
    name: 'millrace_governance_unreadable_total',
    help: 'Records that are no audit event; each is an entry that says so',
  },
  approvals: {
    type: 'counter',
    name: 'millrace_governance_approvals_total',
    help: 'Approvals by the state they came to: waiting, approved, rejected, withdrawn; refused = what came had another digest',
    labels: ['state'],
  },
  votes: {
    type: 'counter',
    name: 'millrace_governance_votes_total',
    help: 'Votes on approvals: approve, reject',
    labels: ['vote'],
  },
  appendSeconds: {
    type: 'histogram',
    name: 'millrace_governance_append_seconds',
    help: 'One chunk of events into the log, its head signed',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
  },
} as const;

export function governanceMetrics(metrics: Metrics) {
  return metrics.create(table);
}

export type GovernanceMetrics = ReturnType<typeof governanceMetrics>;
