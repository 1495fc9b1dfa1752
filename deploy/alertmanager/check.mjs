// A real Alertmanager takes what the monitor tells it, and our configuration: `node deploy/alertmanager/check.mjs`, after `npm run build`.
// Needs prometheus-alertmanager and amtool on the PATH (or their paths in ALERTMANAGER and AMTOOL).
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = new URL('../..', import.meta.url).pathname;
const built = (path) => import(`${root}dist/${path}`);
const { AlertmanagerFeed } = await built('services/monitor/src/outbound/alertmanager.feed.js');
const { monitorMetrics } = await built('services/monitor/src/monitor.metrics.js');
const { Metrics } = await built('libs/telemetry/metrics.js');
const { Logger } = await built('libs/telemetry/logger.js');
const config = `${root}deploy/alertmanager/alertmanager.yml`;
execFileSync(process.env.AMTOOL ?? 'amtool', ['check-config', config], { stdio: 'inherit' });

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const data = mkdtempSync(join(tmpdir(), 'alertmanager-'));
const url = `http://127.0.0.1:${await freePort()}`;
const flags = [
  `--config.file=${config}`,
  `--storage.path=${data}`,
  `--web.listen-address=${new URL(url).host}`,
  '--cluster.listen-address=',
  '--log.level=warn',
];
const child = spawn(process.env.ALERTMANAGER ?? 'prometheus-alertmanager', flags, {
  stdio: ['ignore', 'inherit', 'inherit'],
});

/** What it shows as firing, once that is `count` alerts; fails after 20 s. */
async function shown(count) {
  for (let i = 0; i < 200 && child.exitCode === null; i += 1) {
    const response = await fetch(`${url}/api/v2/alerts?active=true`).catch(() => undefined);
    const alerts = response?.ok ? await response.json() : undefined;
    if (alerts?.length === count) return alerts;
    await sleep(100);
  }
  throw new Error(`the Alertmanager does not show ${count} alerts`);
}

try {
  await shown(0);
  const firing = new Map();
  const feed = new AlertmanagerFeed(url, () => firing, monitorMetrics(new Metrics('monitor')), new Logger('monitor'));
  const alert = {
    fingerprint: 'f',
    monitor: 'late-arrival-health',
    endpoint: 'late-arrival',
    model: 'late-arrival',
    modelVersion: '2',
    breach: 'drift',
    state: 'firing',
    summary: 'at_origin_delay_mean_1h has drifted',
    features: ['at_origin_delay_mean_1h'],
    value: 6,
    threshold: 5,
    startsMs: Date.now(),
    endsMs: 0,
    actions: ['alert'],
  };
  firing.set('f', alert);
  feed.changed(alert);
  const [one] = await shown(1);
  assert.equal(one.labels.alertname, 'millrace-drift');
  assert.equal(one.annotations.summary, alert.summary);
  feed.changed(alert);
  await feed.settled();
  assert.equal((await shown(1))[0].fingerprint, one.fingerprint);
  firing.clear();
  feed.changed({ ...alert, state: 'resolved', endsMs: Date.now() });
  await shown(0);
  await feed.stop();
  console.log(
    'Alertmanager took the configuration and an alert: firing, told again as the same alert, and over when resolved',
  );
} finally {
  if (child.exitCode === null) {
    child.kill();
    await once(child, 'exit');
  }
  rmSync(data, { recursive: true, force: true });
}
