import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { monitorMetrics } from '../monitor.metrics.js';
import { AlertmanagerFeed } from './alertmanager.feed.js';

const firing = Alert.fromPartial({
  fingerprint: 'f',
  monitor: 'm',
  endpoint: 'e',
  model: 'late',
  modelVersion: '2',
  breach: 'drift',
  state: 'firing',
  summary: 'speed has drifted',
  features: ['speed'],
  value: 0.7,
  threshold: 0.25,
  startsMs: Date.now() - 1_000,
  actions: ['alert'],
});
const over = { ...firing, state: 'resolved', endsMs: Date.now() };
interface Told {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly startsAt: string;
  readonly endsAt: string;
}

let server: Server;
let url: string;
let status = 200;
const told: { path: string; alerts: Told[] }[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    void json(request).then((alerts) => {
      told.push({ path: `${request.method} ${request.url}`, alerts: alerts as Told[] });
      response.writeHead(status).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  status = 200;
  told.length = 0;
});

function feedOf(...alerts: Alert[]) {
  const known = new Map(alerts.map((alert) => [alert.fingerprint, alert]));
  const metrics = new Metrics('monitor');
  const logger = new Logger('monitor', 'error');
  return { known, metrics, feed: new AlertmanagerFeed(url, () => known, monitorMetrics(metrics), logger) };
}

describe('an Alertmanager', () => {
  it('is told what fires, with an end in the future, and of what is over with the end it had', async () => {
    const { feed, known } = feedOf(firing);
    feed.tell();
    await feed.settled();
    known.clear();
    feed.changed(over);
    await feed.settled();
    expect(told.map(({ path }) => path)).toEqual(['POST /api/v2/alerts', 'POST /api/v2/alerts']);
    const [[first], [second]] = [told[0]!.alerts, told[1]!.alerts];
    expect(first!.labels).toEqual({
      alertname: 'millrace-drift',
      monitor: 'm',
      endpoint: 'e',
      model: 'late',
      severity: 'warning',
    });
    expect(first!.annotations).toMatchObject({ summary: 'speed has drifted', version: '2', features: 'speed' });
    expect(Date.parse(first!.endsAt)).toBeGreaterThan(Date.now() + 60_000);
    expect(second).toMatchObject({ labels: first!.labels, startsAt: first!.startsAt });
    expect(Date.parse(second!.endsAt)).toBe(over.endsMs);
  });

  it('is not told of alerts that no action asks to tell, and nothing is sent where there is nothing', async () => {
    const { feed } = feedOf({ ...firing, actions: ['retrain'] });
    feed.tell();
    await feed.settled();
    expect(told).toEqual([]);
  });

  it('that does not take it is told again at the next time, and the failure counted', async () => {
    const { feed, metrics } = feedOf(firing);
    status = 500;
    feed.tell();
    await feed.settled();
    status = 200;
    feed.tell();
    await feed.settled();
    expect(told).toHaveLength(2);
    expect(await metrics.registry.getSingleMetricAsString('millrace_monitor_alertmanager_failures_total')).toMatch(
      /\} 1$/m,
    );
  });
});
