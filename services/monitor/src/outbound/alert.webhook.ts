import { setTimeout } from 'node:timers/promises';
import type { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { errorMessage } from '#libs/errors/millrace-error.js';

export interface WebhookOptions {
  readonly timeoutMs: number;
  readonly tries: number;
  /** Before the second try; doubled before each further one. */
  readonly backoffMs: number;
}

export const webhookDefaults: WebhookOptions = { timeoutMs: 5_000, tries: 5, backoffMs: 500 };

/**
 * Posts an alert as Alertmanager's webhook does (version 4). A receiver may get one twice, with the same fingerprint, start and status.
 * @param stopping ends the tries @returns undefined, or after the last try what went wrong. Never throws.
 */
export async function postAlert(
  url: string,
  alert: Alert,
  stopping: AbortSignal,
  { timeoutMs, tries, backoffMs }: WebhookOptions = webhookDefaults,
): Promise<string | undefined> {
  const headers = { 'content-type': 'application/json', 'user-agent': 'Millrace' };
  const body = JSON.stringify(webhookBody(alert));
  let problem = '';
  for (let one = 0; one < tries && !stopping.aborted; one += 1) {
    try {
      if (one > 0) await setTimeout(backoffMs * 2 ** (one - 1), undefined, { signal: stopping });
      const signal = AbortSignal.any([stopping, AbortSignal.timeout(timeoutMs)]);
      const response = await fetch(url, { method: 'POST', headers, body, signal });
      await response.body?.cancel();
      if (response.ok) return undefined;
      problem = `status ${response.status}`;
    } catch (error) {
      problem = errorMessage(error);
    }
  }
  return stopping.aborted ? 'the monitor is stopping' : `${problem}, after ${tries} tries`;
}

/** What an alert is called, and what it says. */
export function alertTexts(alert: Alert) {
  const labels = {
    alertname: `millrace-${alert.breach}`,
    monitor: alert.monitor,
    endpoint: alert.endpoint,
    model: alert.model,
    version: alert.modelVersion,
    severity: 'warning',
  };
  const annotations = {
    summary: alert.summary,
    value: String(alert.value),
    threshold: String(alert.threshold),
    features: alert.features.join(', '),
  };
  return { labels, annotations };
}

/** The JSON of Alertmanager's webhook version 4 with this one alert; `endsAt` is year 1 while it fires. */
export function webhookBody(alert: Alert): Record<string, unknown> {
  const { labels, annotations } = alertTexts(alert);
  return {
    receiver: alert.monitor,
    status: alert.state,
    alerts: [
      {
        status: alert.state,
        labels,
        annotations,
        startsAt: new Date(alert.startsMs).toISOString(),
        endsAt: alert.endsMs === 0 ? '0001-01-01T00:00:00Z' : new Date(alert.endsMs).toISOString(),
        generatorURL: '',
        fingerprint: alert.fingerprint,
      },
    ],
    groupLabels: { monitor: alert.monitor },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: '',
    version: '4',
    groupKey: `{}:{monitor="${alert.monitor}"}`,
    truncatedAlerts: 0,
  };
}
