import type { VNode } from 'preact';
import type { QuarantinedView, QuarantineView, StreamView } from '../../views/streams.view.js';
import { useLive } from '../live.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Bars } from '../parts/bars.js';
import { count, rate } from '../parts/format.js';
import { Empty } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { hrefOf, type Route } from '../route.js';

export const streamsPage: Page = {
  path: '/streams',
  title: 'Streams',
  nav: 'Streams',
  render: (route) => <StreamsPage route={route} />,
};

function StreamsPage({ route }: { route: Route }): VNode {
  return (
    <Asked<StreamView[]> path="/api/streams" what="the streams" everyMs={10_000}>
      {(streams) => <Streams streams={streams} chosen={route.query.get('stream') ?? streams[0]?.name ?? ''} />}
    </Asked>
  );
}

function Streams({ streams, chosen }: { streams: readonly StreamView[]; chosen: string }): VNode {
  const stream = streams.find(({ name }) => name === chosen);
  if (streams.length === 0)
    return (
      <Empty>
        No Stream is defined yet: <code>millrace apply -f folder</code>.
      </Empty>
    );
  return (
    <>
      <nav class="tabs" aria-label="Streams">
        {streams.map(({ name }) => (
          <a href={hrefOf('/streams', { stream: name })} aria-current={name === chosen ? 'true' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      {stream === undefined ? <Empty>There is no stream {chosen}.</Empty> : <Stream stream={stream} key={chosen} />}
    </>
  );
}

function Stream({ stream }: { stream: StreamView }): VNode {
  return (
    <>
      <Counts stream={stream.name} />
      <Asked<QuarantineView>
        path={`/api/streams/quarantined?stream=${encodeURIComponent(stream.name)}`}
        what="what was quarantined"
        everyMs={5_000}
      >
        {(quarantine) => <Quarantine quarantine={quarantine} />}
      </Asked>
      <section>
        <h2>Schema</h2>
        <p class="quiet">
          Generation {stream.generation}, changed <Time atMs={stream.changedMs} />. Key <code>{stream.key}</code>, event
          time <code>{stream.eventTime}</code>.
        </p>
        <Table
          caption={`Columns of ${stream.name}`}
          rows={stream.columns}
          rowKey={({ name }) => name}
          none="It has no columns."
          columns={[
            { title: 'Column', cell: ({ name }) => <code>{name}</code> },
            { title: 'Type', cell: ({ type }) => type },
            { title: 'Null', cell: ({ nullable }) => (nullable ? 'may be' : 'never') },
          ]}
        />
        <h2>Expectations</h2>
        {stream.expectations.length === 0 ? (
          <Empty>None.</Empty>
        ) : (
          <ul>
            {stream.expectations.map((text) => (
              <li>
                <code>{text}</code>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}

const names: Record<string, string> = { rawEvents: 'raw', validEvents: 'valid', quarantinedEvents: 'quarantined' };

/** From the live stream: what came, what was valid, what was not. */
function Counts({ stream }: { stream: string }): VNode {
  const { mesh } = useLive();
  const topics = Object.keys(names).flatMap(
    (id) => mesh?.topics.filter((topic) => topic.id === id && topic.stream === stream) ?? [],
  );
  return (
    <>
      <dl class="figures">
        {topics.map(({ id, records, rate: perSecond }) => (
          <div data-figure={names[id]}>
            <dt>{names[id] ?? id}</dt>
            <dd>
              {count(records)} <small>{rate(perSecond)}/s</small>
            </dd>
          </div>
        ))}
      </dl>
      <p class="quiet">Records of the topics: events, and in raw and valid the marks by which time advances.</p>
    </>
  );
}

function Quarantine({ quarantine: { total, events } }: { quarantine: QuarantineView }): VNode {
  const byReason = new Map<string, number>();
  for (const { reasons } of events)
    for (const { code, column } of reasons) {
      const name = column === '' ? code : `${code} · ${column}`;
      byReason.set(name, (byReason.get(name) ?? 0) + 1);
    }
  return (
    <section>
      <h2>Quarantined</h2>
      <p class="quiet">
        {count(total)} in all{total > events.length ? `, the newest ${events.length} of them below` : ''}.
      </p>
      <Bars caption="Reasons of the newest" bars={[...byReason].map(([name, value]) => ({ name, value }))} />
      <Table<QuarantinedView>
        caption="Newest quarantined events"
        rows={events}
        rowKey={({ eventId, atMs }) => `${eventId} ${atMs}`}
        none="Nothing was quarantined."
        columns={[
          { title: 'Event', cell: ({ eventId }) => <code>{eventId}</code> },
          { title: 'When', cell: ({ atMs }) => <Time atMs={atMs} /> },
          {
            title: 'Reasons',
            cell: ({ reasons }) => (
              <ul class="plain">
                {reasons.map(({ code, message }) => (
                  <li>
                    <code>{code}</code> {message}
                  </li>
                ))}
              </ul>
            ),
          },
          {
            title: 'Data',
            cell: ({ data }) => (
              <details>
                <summary>show</summary>
                <pre>{data}</pre>
              </details>
            ),
          },
        ]}
      />
    </section>
  );
}
