import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { AlertView, MeshFrame, RatePoint, RolloutView, TopicView } from '../../views/mesh.view.js';
import { ApiError } from '../api.js';
import { type Live, useLive } from '../live.js';
import type { Page } from '../page.js';
import { Badge } from '../parts/badge.js';
import { Chart } from '../parts/chart.js';
import { count, rate } from '../parts/format.js';
import { Picture } from '../parts/picture.js';
import { Empty, ErrorBox, Loading } from '../parts/states.js';
import { type Column, Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { hrefOf, type Route } from '../route.js';

export const meshPage: Page = {
  path: '/mesh',
  title: 'Mesh',
  nav: 'Mesh',
  render: (route) => <MeshPage route={route} />,
};

function MeshPage({ route }: { route: Route }): VNode {
  const live = useLive();
  const chosen = route.query.get('service') ?? '';
  return (
    <>
      <Alerts live={live} />
      <Refused live={live} part="mesh" />
      {live.mesh === undefined ? null : (
        <Now frame={live.mesh} history={live.history} chosen={chosen} connected={live.connected} />
      )}
      {live.mesh === undefined && live.refused['mesh'] === undefined ? <Waiting /> : null}
      <Rollouts live={live} />
    </>
  );
}

const patienceMs = 10_000;

/** For the first picture; a stream that brings none is said so. */
function Waiting(): VNode {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), patienceMs);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return <Loading what="the mesh" />;
  const nothing = new ApiError(
    'deadline-exceeded',
    `the live stream brought no picture within ${patienceMs / 1_000} s`,
  );
  return <ErrorBox error={nothing} onRetry={() => location.reload()} />;
}

interface NowProps {
  readonly frame: MeshFrame;
  readonly history: readonly RatePoint[];
  readonly chosen: string;
  readonly connected: boolean;
}

function Now({ frame, history, chosen, connected }: NowProps): VNode {
  return (
    <>
      {connected ? null : (
        <div class="error" role="alert">
          Not live: this is the mesh of <Time atMs={frame.atMs} />. The page connects again by itself.
        </div>
      )}
      {frame.problems.map((problem) => (
        <div class="error" role="alert">
          {problem}
        </div>
      ))}
      <Picture frame={frame} chosen={chosen} />
      {chosen === '' ? null : <Details frame={frame} name={chosen} />}
      <Rates history={history} />
      <section>
        <h2>Topics</h2>
        <Table
          caption="Topics"
          columns={topicColumns}
          rows={frame.topics}
          rowKey={(row) => row.topic}
          none="No topic was made yet."
        />
      </section>
    </>
  );
}

const topicColumns: readonly Column<TopicView>[] = [
  { title: 'Topic', cell: ({ topic }) => <code>{topic}</code> },
  { title: 'Records', number: true, cell: ({ records }) => count(records) },
  { title: 'Per second', number: true, cell: (topic) => rate(topic.rate) },
  {
    title: 'Behind',
    cell: ({ consumers }) =>
      consumers.length === 0
        ? '–'
        : consumers.map(({ group, lag }) => (
            <span class="pair">
              {group} <b>{count(lag)}</b>
            </span>
          )),
  },
];

function Rates({ history }: { history: readonly RatePoint[] }): VNode {
  const x = history.map(({ atMs }) => atMs / 1_000);
  return (
    <section>
      <h2>Per second</h2>
      <Chart
        label="Raw events, valid events and predictions a second"
        x={x}
        lines={[
          { label: 'raw events', colour: '--line-1', values: history.map(({ raw }) => raw), format: rate },
          { label: 'valid events', colour: '--line-2', values: history.map(({ valid }) => valid), format: rate },
          {
            label: 'predictions',
            colour: '--line-3',
            values: history.map(({ predictions }) => predictions),
            format: rate,
          },
        ]}
      />
      <h2>Records behind, all consumers together</h2>
      <Chart
        label="Consumer lag"
        x={x}
        height={110}
        lines={[{ label: 'behind', colour: '--line-4', values: history.map(({ lag }) => lag), format: count }]}
      />
    </section>
  );
}

function Details({ frame, name }: { frame: MeshFrame; name: string }): VNode {
  const service = frame.services.find((one) => one.name === name);
  if (service === undefined) return <Empty>There is no service {name}.</Empty>;
  const reads = frame.topics.flatMap(({ topic, consumers }) =>
    consumers.filter((one) => one.service === name).map(({ group, lag }) => ({ topic, group, lag })),
  );
  return (
    <section class="card" aria-live="off">
      <h2>
        {name} <Badge text={service.state} />
      </h2>
      {Object.entries(service.reasons).map(([dependency, reason]) => (
        <p class="problem">
          {dependency}: {reason}
        </p>
      ))}
      <Table
        caption={`Topics that ${name} reads`}
        rows={reads}
        rowKey={({ topic, group }) => `${topic} ${group}`}
        none="It reads no topic by groups."
        columns={[
          { title: 'Reads', cell: ({ topic }) => <code>{topic}</code> },
          { title: 'Group', cell: ({ group }) => <code>{group}</code> },
          { title: 'Behind', number: true, cell: ({ lag }) => count(lag) },
        ]}
      />
    </section>
  );
}

function Alerts({ live }: { live: Live }): VNode {
  if (live.alerts === undefined) return <Refused live={live} part="alerts" />;
  return (
    <section aria-label="Firing alerts">
      <Refused live={live} part="alerts" />
      {live.alerts.map((alert: AlertView) => (
        <div class="alert" role="alert" key={alert.fingerprint}>
          <Badge text="firing" /> <strong>{alert.breach}</strong>{' '}
          <a href={hrefOf('/drift', { endpoint: alert.endpoint })}>{alert.endpoint}</a>: {alert.summary}{' '}
          <span class="quiet">
            <Time atMs={alert.startsMs} />
          </span>
        </div>
      ))}
    </section>
  );
}

function Rollouts({ live }: { live: Live }): VNode {
  const columns: readonly Column<RolloutView>[] = [
    {
      title: 'Endpoint',
      cell: ({ endpoint, rolloutId }) => <a href={hrefOf('/rollouts', { id: rolloutId })}>{endpoint}</a>,
    },
    { title: 'Version', number: true, cell: ({ version }) => version },
    { title: 'State', cell: ({ state }) => <Badge text={state} /> },
    { title: 'Step', number: true, cell: ({ step, steps }) => `${step + 1} of ${steps}` },
    { title: 'Started', cell: ({ startedMs }) => <Time atMs={startedMs} /> },
  ];
  return (
    <section>
      <h2>Rollouts under way</h2>
      <Refused live={live} part="rollouts" />
      {live.rollouts === undefined ? null : (
        <Table
          caption="Rollouts under way"
          columns={columns}
          rows={live.rollouts}
          rowKey={(row) => row.rolloutId}
          none="None."
        />
      )}
    </section>
  );
}

/** A part of the stream that was refused, in the words of who refused it. */
function Refused({ live, part }: { live: Live; part: string }): VNode | null {
  const refused = live.refused[part];
  return refused === undefined ? null : <ErrorBox error={new ApiError(refused.code, `${part}: ${refused.message}`)} />;
}
