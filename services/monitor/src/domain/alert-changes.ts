import { createHash } from 'node:crypto';
import type { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { MonitorSpec } from '#libs/definitions/definition-kinds.js';
import type { Breach, Figures, Finding } from './watch-endpoint.js';

/** The same breach of the same Monitor and endpoint has the same one, whenever it happens: 64 hexadecimal digits. */
export function fingerprintOf(monitor: string, endpoint: string, breach: Breach): string {
  return createHash('sha256')
    .update(JSON.stringify([monitor, endpoint, breach]))
    .digest('hex');
}

/**
 * What the findings change: a breach that does not fire yet fires, one that fires and is over is resolved, and everything else stays as it is.
 * @param firing alerts by fingerprint @param nowMs wall clock
 */
export function alertChanges(
  spec: MonitorSpec,
  { model, version }: Figures,
  findings: readonly Finding[],
  firing: ReadonlyMap<string, Alert>,
  nowMs: number,
): Alert[] {
  return findings.flatMap((finding) => {
    const fingerprint = fingerprintOf(spec.name, spec.endpoint, finding.breach);
    const before = firing.get(fingerprint);
    if (finding.breached === (before !== undefined)) return [];
    const { breach, summary, value, threshold, features, eventTimeMs } = finding;
    return [
      {
        fingerprint,
        monitor: spec.name,
        endpoint: spec.endpoint,
        model,
        modelVersion: version,
        breach,
        state: before === undefined ? 'firing' : 'resolved',
        summary,
        features: [...features],
        value,
        threshold,
        startsMs: before?.startsMs ?? nowMs,
        endsMs: before === undefined ? 0 : nowMs,
        eventTimeMs,
        actions: [...(spec.onBreach[breach === 'missing-labels' ? 'labels' : breach] ?? [])],
      },
    ];
  });
}

/** Alerts that fire and that nobody watches for any more are resolved: their Monitor was deleted, or does not watch that any longer. */
export function abandonedAlerts(
  monitors: ReadonlyMap<string, MonitorSpec>,
  firing: Iterable<Alert>,
  nowMs: number,
): Alert[] {
  return [...firing].flatMap((alert) => {
    const spec = monitors.get(alert.monitor);
    const part =
      alert.breach === 'missing-labels'
        ? 'labels'
        : (alert.breach as 'performance' | 'concept' | 'drift' | 'freshness');
    if (spec?.[part] !== undefined && spec.endpoint === alert.endpoint) return [];
    const summary = `Monitor ${alert.monitor} does not watch ${part} of ${alert.endpoint} any more`;
    return [{ ...alert, state: 'resolved', endsMs: nowMs, summary }];
  });
}
