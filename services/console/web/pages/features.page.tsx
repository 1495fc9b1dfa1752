import type { TargetedSubmitEvent, VNode } from 'preact';
import { useState } from 'preact/hooks';
import type {
  CatalogView,
  FeatureServiceView,
  FeatureView,
  VectorView,
  WatermarkView,
} from '../../views/features.view.js';
import { sendJson } from '../api.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { figure } from '../parts/format.js';
import { Empty, ErrorBox } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { Instant } from '../parts/time.js';
import { hrefOf, type Route } from '../route.js';
import { readCell } from '../typed-text.js';

export const featuresPage: Page = {
  path: '/features',
  title: 'Features',
  nav: 'Features',
  render: (route) => <FeaturesPage route={route} />,
};

function FeaturesPage({ route }: { route: Route }): VNode {
  return (
    <Asked<CatalogView> path="/api/features" what="views and services">
      {({ views, services }) => {
        const chosen = services.find(({ name }) => name === (route.query.get('service') ?? services[0]?.name));
        return (
          <>
            <nav class="tabs" aria-label="Feature services">
              {services.map(({ name }) => (
                <a
                  href={hrefOf('/features', { service: name })}
                  aria-current={name === chosen?.name ? 'true' : undefined}
                >
                  {name}
                </a>
              ))}
            </nav>
            {chosen === undefined ? (
              <Empty>No such FeatureService is defined.</Empty>
            ) : (
              <Service service={chosen} key={chosen.name} />
            )}
            <h2>Views</h2>
            {views.length === 0 ? (
              <Empty>No FeatureView is defined yet.</Empty>
            ) : (
              views.map((view) => <View view={view} key={view.name} />)
            )}
          </>
        );
      }}
    </Asked>
  );
}

function View({ view }: { view: FeatureView }): VNode {
  return (
    <section class="card">
      <h3>{view.name}</h3>
      <p class="quiet">
        Of <code>{view.entity.join(', ')}</code>, from{' '}
        <a href={hrefOf('/streams', { stream: view.source })}>{view.source}</a>, kept {view.ttl}. {view.description}
      </p>
      <Table
        caption={`Features of ${view.name}`}
        rows={view.features}
        rowKey={({ name }) => name}
        none="It has no features."
        columns={[
          { title: 'Feature', cell: ({ name }) => <code>{name}</code> },
          { title: 'Is the', cell: ({ aggregation }) => aggregation },
          { title: 'Of', cell: ({ expression }) => <code>{expression}</code> },
          { title: 'Over', number: true, cell: ({ window }) => window },
        ]}
      />
    </section>
  );
}

function Service({ service }: { service: FeatureServiceView }): VNode {
  const [vector, setVector] = useState<VectorView>();
  const values = new Map(vector?.features.map(({ name, value }) => [name, value]));
  return (
    <section>
      <Asked<WatermarkView[]> path="/api/features/watermarks" what="how far the store is">
        {(watermarks) => <Ask service={service} watermarks={watermarks} onVector={setVector} />}
      </Asked>
      <div aria-live="polite">
        {vector === undefined ? null : (
          <p>
            As of <Instant atMs={vector.asOfMs} />{' '}
            {vector.fallback ? <Badge text="declared fallback values" tone="warn" /> : null}
          </p>
        )}
      </div>
      <Table
        caption={`Vector of ${service.name}`}
        rows={service.features}
        rowKey={({ name }) => name}
        none="It has no features."
        columns={[
          { title: 'Feature', cell: ({ name }) => <code>{name}</code> },
          {
            title: 'Value',
            number: true,
            cell: ({ name }) => shown(vector === undefined ? undefined : values.get(name)),
          },
          { title: 'From', cell: ({ from }) => <code>{from}</code> },
        ]}
      />
    </section>
  );
}

/** undefined = was not asked for; null = there is none. */
function shown(value: number | null | undefined): string {
  if (value === undefined) return '';
  return value === null ? 'null' : figure(value);
}

interface AskProps {
  readonly service: FeatureServiceView;
  readonly watermarks: readonly WatermarkView[];
  readonly onVector: (vector: VectorView) => void;
}

/** A request as an application would make it; an instant that is left out is the newest that the store knows of. */
function Ask({ service, watermarks, onVector }: AskProps): VNode {
  const [error, setError] = useState<Error>();
  const newest = watermarks.find(({ stream }) => stream === service.spine)?.watermarkMs ?? -1;
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    try {
      const cells = service.request.map(
        ({ name, type }) => [name, readCell(name, type, String(form.get(name) ?? ''))] as const,
      );
      const row = Object.fromEntries(cells.filter(([, value]) => value !== null));
      const asOf = readCell('as of', 'timestamp', String(form.get('as of') ?? '')) ?? Math.max(0, newest);
      onVector(
        await sendJson<VectorView>('POST', '/api/features/vector', { service: service.name, row, asOfMs: asOf }),
      );
      setError(undefined);
    } catch (refused) {
      setError(refused as Error);
    }
  };
  return (
    <form class="filters card" onSubmit={(event) => void submit(event)} aria-label={`Ask ${service.name}`}>
      {service.request.map(({ name, type }) => (
        <label>
          {name} <input name={name} placeholder={type} autocomplete="off" />
        </label>
      ))}
      <label>
        as of{' '}
        <input name="as of" placeholder={newest < 0 ? 'now' : new Date(newest).toISOString()} autocomplete="off" />
      </label>
      <button type="submit" class="primary">
        Look up
      </button>
      {error === undefined ? null : <ErrorBox error={error} />}
    </form>
  );
}
