import type { VNode } from 'preact';
import type { AlertChangeView, DriftView, FeatureDriftView } from '../../views/drift.view.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { count, figure, share } from '../parts/format.js';
import { Performance } from '../parts/performance.js';
import { Empty } from '../parts/states.js';
import { type Column, Table } from '../parts/table.js';
import { ThresholdBar } from '../parts/threshold-bar.js';
import { Instant, Time } from '../parts/time.js';
import { hrefOf, type Route } from '../route.js';

export const driftPage: Page = {
  path: '/drift',
  title: 'Drift',
  nav: 'Drift',
  render: (route) => <DriftPage route={route} />,
};

const everyMs = 30_000;
type Statistic = 'psi' | 'ks' | 'js' | 'wasserstein';
const statistics: readonly Statistic[] = ['psi', 'ks', 'js', 'wasserstein'];
const titles: Readonly<Record<Statistic, string>> = { psi: 'PSI', ks: 'KS', js: 'JS', wasserstein: 'Wasserstein' };

function DriftPage({ route }: { route: Route }): VNode {
  return (
    <Asked<string[]> path="/api/drift/endpoints" what="the endpoints">
      {(endpoints) => <Endpoints endpoints={endpoints} chosen={route.query.get('endpoint') ?? endpoints[0] ?? ''} />}
    </Asked>
  );
}

function Endpoints({ endpoints, chosen }: { endpoints: readonly string[]; chosen: string }): VNode {
  if (endpoints.length === 0) return <Empty>No Endpoint is defined yet.</Empty>;
  const query = `?endpoint=${encodeURIComponent(chosen)}`;
  return (
    <>
      <nav class="tabs" aria-label="Endpoints">
        {endpoints.map((name) => (
          <a href={hrefOf('/drift', { endpoint: name })} aria-current={name === chosen ? 'true' : undefined} key={name}>
            {name}
          </a>
        ))}
      </nav>
      <section>
        <h2>Features against the training set</h2>
        <Asked<DriftView> path={`/api/drift${query}`} what="the drift" everyMs={everyMs}>
          {(drift) => <Features drift={drift} />}
        </Asked>
      </section>
      <Performance endpoint={chosen} key={chosen} />
      <section>
        <h2>Alerts</h2>
        <Asked<AlertChangeView[]> path={`/api/drift/alerts${query}`} what="the alerts" everyMs={everyMs}>
          {(alerts) => <Alerts alerts={alerts} />}
        </Asked>
      </section>
    </>
  );
}

function Features({ drift }: { drift: DriftView }): VNode {
  const deciding = statistics.find((one) => one === drift.statistic) ?? 'psi';
  const most = Math.max(...drift.features.flatMap((one) => [one[deciding] ?? 0, one.threshold ?? 0]), 1e-9);
  const drifted = drift.features.filter((one) => one.drifted).length;
  const columns: readonly Column<FeatureDriftView>[] = [
    { title: 'Feature', cell: ({ feature }) => <code>{feature}</code> },
    {
      title: '',
      cell: (one) => <Badge text={one.drifted ? 'drifted' : 'as before'} tone={one.drifted ? 'warn' : 'calm'} />,
    },
    {
      title: `${titles[deciding]} against its threshold`,
      cell: (one) => <ThresholdBar value={one[deciding]} threshold={one.threshold} most={most} over={one.drifted} />,
    },
    { title: 'Threshold', number: true, cell: ({ threshold }) => figure(threshold ?? NaN) },
    ...statistics.map((name): Column<FeatureDriftView> => ({
      title: titles[name],
      number: true,
      cell: (one) => (name === deciding ? <b>{figure(one[name] ?? NaN)}</b> : figure(one[name] ?? NaN)),
    })),
    { title: 'Nulls', number: true, cell: ({ nullShare }) => share(nullShare) },
    { title: 'Nulls in training', number: true, cell: ({ referenceNullShare }) => share(referenceNullShare) },
  ];
  return (
    <>
      <p>
        {drifted} of {drift.features.length} drifted by {titles[deciding]}. Version {drift.version}, {count(drift.rows)}{' '}
        predictions from <Instant atMs={drift.fromMs} /> to <Instant atMs={drift.toMs} />.
      </p>
      <Table
        caption="Drift of each feature and of the score, most drifted first"
        rows={drift.features}
        rowKey={({ feature }) => feature}
        none="No feature has a reference."
        columns={columns}
      />
    </>
  );
}

function Alerts({ alerts }: { alerts: readonly AlertChangeView[] }): VNode {
  return (
    <Table<AlertChangeView>
      caption="Changes of alerts, newest first"
      rows={alerts}
      rowKey={({ fingerprint, startsMs, state }) => `${fingerprint} ${startsMs} ${state}`}
      none="No alert was raised."
      columns={[
        { title: 'State', cell: ({ state }) => <Badge text={state} /> },
        { title: 'Breach', cell: ({ breach }) => breach },
        { title: 'Why', cell: ({ summary }) => <span class="words">{summary}</span> },
        { title: 'Version', number: true, cell: ({ version }) => version },
        { title: 'Since', cell: ({ startsMs }) => <Time atMs={startsMs} /> },
        { title: 'Until', cell: ({ endsMs }) => <Time atMs={endsMs} /> },
        { title: 'Does', cell: ({ actions }) => actions.join(', ') },
        { title: 'Monitor', cell: ({ monitor }) => monitor },
      ]}
    />
  );
}
