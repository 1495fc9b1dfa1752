import type { Command } from 'commander';
import { MonitorClient } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';

interface DriftOptions extends OutputOptions {
  readonly version?: string;
}

interface AlertOptions extends OutputOptions {
  readonly firing?: boolean;
}

const deadlineMs = 60_000;

export function addWatchCommands(program: Command): void {
  program
    .command('drift')
    .description('how far the features and the score of an endpoint are from the training set')
    .argument('<endpoint>')
    .option('--version <number>', 'of this version; left out: the live one')
    .option('--json', 'print one JSON object')
    .action(showDrift);
  program
    .command('alerts')
    .description('what monitors found: changes of alerts, newest first')
    .argument('[endpoint]', 'of this endpoint only')
    .option('--firing', 'only what fires now')
    .option('--json', 'print one JSON array')
    .action(showAlerts);
}

async function showDrift(endpoint: string, options: DriftOptions): Promise<void> {
  const request = { endpoint, modelVersion: options.version ?? '', fromMs: 0, toMs: 0 };
  const found = await withPeer(MonitorClient, 'monitor', (monitor) =>
    monitor.call((stub) => stub.getDrift, request, deadlineMs),
  );
  if (options.json) return printJson(found);
  const [from, to] = [found.fromMs, found.toMs].map((ms) => new Date(ms).toISOString());
  print(
    `version ${found.modelVersion}, ${found.rows} predictions from ${from} to ${to}, threshold of ${found.statistic}`,
  );
  printTable(
    ['FEATURE', 'DRIFTED', 'PSI', 'KS', 'JS', 'WASSERSTEIN', 'THRESHOLD', 'NULLS', 'NULLS BEFORE'],
    found.features.map((one) => [
      one.feature,
      one.drifted ? 'yes' : 'no',
      one.psi,
      one.ks,
      one.js,
      one.wasserstein,
      one.threshold,
      one.nullShare,
      one.referenceNullShare,
    ]),
    'no features',
  );
}

async function showAlerts(endpoint: string | undefined, options: AlertOptions): Promise<void> {
  const request = { endpoint: endpoint ?? '', firingOnly: options.firing ?? false, limit: 0 };
  const { alerts } = await withPeer(MonitorClient, 'monitor', (monitor) =>
    monitor.call((stub) => stub.listAlerts, request, deadlineMs),
  );
  if (options.json) return printJson(alerts);
  printTable(
    ['STATE', 'SINCE', 'UNTIL', 'MONITOR', 'ENDPOINT', 'BREACH', 'SUMMARY'],
    alerts.map((alert) => [
      alert.state,
      new Date(alert.startsMs).toISOString(),
      alert.endsMs === 0 ? '' : new Date(alert.endsMs).toISOString(),
      alert.monitor,
      alert.endpoint,
      alert.breach,
      alert.summary,
    ]),
    'no alerts',
  );
}
