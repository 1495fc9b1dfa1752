import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { postAlert, webhookBody } from './alert.webhook.js';

const alert = Alert.fromPartial({
  fingerprint: 'f'.repeat(64),
  monitor: 'm',
  endpoint: 'e',
  breach: 'drift',
  state: 'firing',
  summary: 'speed has drifted',
  features: ['speed', 'wind'],
  value: 0.7,
  threshold: 0.25,
  startsMs: Date.UTC(2001, 5, 10),
});
const options = { timeoutMs: 200, tries: 3, backoffMs: 1 };

let server: Server;
let url: string;
let calls = 0;
let statusOf: (call: number) => number | undefined = () => 200;
beforeAll(async () => {
  server = createServer((request, response) => {
    calls += 1;
    const status = statusOf(calls);
    request.resume();
    if (status !== undefined) response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  calls = 0;
});

describe('the webhook', () => {
  it('is tried again where it fails or does not answer in time, and given up after its tries', async () => {
    statusOf = (call) => [500, undefined, 204][call - 1];
    expect(await postAlert(url, alert, new AbortController().signal, options)).toBeUndefined();
    expect(calls).toBe(3);
    statusOf = () => 503;
    expect(await postAlert(url, alert, new AbortController().signal, options)).toBe('status 503, after 3 tries');
    expect(calls).toBe(6);
  });

  it('is not tried any more once the monitor stops', async () => {
    expect(await postAlert(url, alert, AbortSignal.abort(), options)).toBe('the monitor is stopping');
    expect(calls).toBe(0);
  });

  it('gets what Alertmanager sends: year 1 as the end of what fires, the same fingerprint when it is over', () => {
    const body = webhookBody(alert);
    expect(body).toMatchObject({ version: '4', status: 'firing', receiver: 'm', truncatedAlerts: 0 });
    expect(body['alerts']).toMatchObject([
      {
        status: 'firing',
        labels: { alertname: 'millrace-drift', endpoint: 'e' },
        annotations: { summary: 'speed has drifted', features: 'speed, wind' },
        startsAt: '2001-06-10T00:00:00.000Z',
        endsAt: '0001-01-01T00:00:00Z',
      },
    ]);
    const over = webhookBody({ ...alert, state: 'resolved', endsMs: Date.UTC(2001, 5, 11) });
    expect(over['alerts']).toMatchObject([
      { status: 'resolved', endsAt: '2001-06-11T00:00:00.000Z', fingerprint: alert.fingerprint },
    ]);
  });
});
