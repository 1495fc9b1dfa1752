import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { LiveView, ModelsView, RunView, VersionView } from '../../views/models.view.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { BandChart } from '../parts/band-chart.js';
import { duration, figure } from '../parts/format.js';
import { RunComparison } from '../parts/run-comparison.js';
import { Empty } from '../parts/states.js';
import { type Column, Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { currentRoute, goTo, hrefOf, type Route } from '../route.js';

export const modelsPage: Page = {
  path: '/models',
  title: 'Models',
  nav: 'Models',
  render: (route) => <ModelsPage route={route} />,
};

const everyMs = 5_000;
const mostCompared = 6;

function ModelsPage({ route }: { route: Route }): VNode {
  return (
    <Asked<ModelsView> path="/api/models" what="the models" everyMs={everyMs}>
      {(models) => <Models models={models} route={route} />}
    </Asked>
  );
}

function Models({ models: { versions, live }, route }: { models: ModelsView; route: Route }): VNode {
  const names = [...new Set([...versions.map(({ model }) => model), ...live.map(({ model }) => model)])].sort();
  const chosen = route.query.get('model') ?? names[0] ?? '';
  if (names.length === 0) return <Empty>No version of a model was made yet.</Empty>;
  const own = versions.filter(({ model }) => model === chosen);
  return (
    <>
      <nav class="tabs" aria-label="Models">
        {names.map((name) => (
          <a href={hrefOf('/models', { model: name })} aria-current={name === chosen ? 'true' : undefined} key={name}>
            {name}
          </a>
        ))}
      </nav>
      <Live live={live.filter(({ model }) => model === chosen)} />
      <Versions versions={own} live={live} />
      <MetricOverVersions versions={own} key={chosen} />
      <Runs model={chosen} compared={runsOf(route)} />
    </>
  );
}

function runsOf({ query }: Route): string[] {
  return (query.get('runs') ?? '').split(',').filter((id) => id !== '');
}

function Live({ live }: { live: readonly LiveView[] }): VNode {
  if (live.length === 0) return <Empty>It answers on no endpoint.</Empty>;
  return (
    <dl class="figures">
      {live.map(({ endpoint, version, candidate }) => (
        <div data-figure={endpoint} key={endpoint}>
          <dt>live on {endpoint}</dt>
          <dd>
            {version === '' ? 'nothing yet' : `version ${version}`}{' '}
            {candidate === '' ? null : <small>version {candidate} is tried</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Versions({ versions, live }: { versions: readonly VersionView[]; live: readonly LiveView[] }): VNode {
  const where = ({ model, version }: VersionView): readonly LiveView[] =>
    live.filter((one) => one.model === model && one.version === version);
  const columns: readonly Column<VersionView>[] = [
    { title: 'Version', number: true, cell: ({ version }) => version },
    {
      title: 'Live on',
      cell: (version) =>
        where(version).map(({ endpoint }) => (
          <span class="pair" key={endpoint}>
            <Badge text="live" /> {endpoint}
          </span>
        )),
    },
    { title: 'Aliases', cell: ({ aliases }) => aliases.join(', ') },
    { title: 'Made', cell: ({ createdMs }) => <Time atMs={createdMs} /> },
    { title: 'Features', number: true, cell: ({ features }) => features },
    ...mainMetrics(versions).map((name): Column<VersionView> => ({
      title: name,
      number: true,
      cell: ({ metrics }) => figure(metrics[name] ?? NaN),
    })),
    { title: 'Run', cell: ({ runId }) => <code>{runId.slice(0, 12) || '–'}</code> },
    { title: 'Commit', cell: ({ codeCommit }) => <code>{codeCommit.slice(0, 12) || '–'}</code> },
    { title: 'Training set', cell: ({ datasetSha256 }) => <code>{datasetSha256.slice(0, 12) || '–'}</code> },
  ];
  return (
    <section>
      <h2>Versions</h2>
      <Table
        caption="Versions, newest first"
        rows={versions.toReversed()}
        rowKey={({ version }) => version}
        none="It has no version yet."
        columns={columns}
      />
    </section>
  );
}

/** The first three of the validation. */
function mainMetrics(versions: readonly VersionView[]): string[] {
  return metricNames(versions)
    .filter((name) => name.startsWith('validate.'))
    .slice(0, 3);
}

function metricNames(versions: readonly VersionView[]): string[] {
  return [...new Set(versions.flatMap(({ metrics }) => Object.keys(metrics)))].sort();
}

function MetricOverVersions({ versions }: { versions: readonly VersionView[] }): VNode | null {
  const names = metricNames(versions);
  const [chosen, setChosen] = useState('');
  const metric = chosen || (names.includes('validate.auc') ? 'validate.auc' : (names[0] ?? ''));
  if (metric === '') return null;
  return (
    <section>
      <h2>Over versions</h2>
      <form class="filters">
        <label>
          Metric
          <select value={metric} onChange={(event) => setChosen(event.currentTarget.value)}>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </form>
      <BandChart
        label={`${metric} over versions`}
        x={versions.map((_, i) => i)}
        bands={[{ label: metric, line: 1, mid: versions.map(({ metrics }) => metrics[metric] ?? null) }]}
        formatX={(i) => `version ${versions[i]?.version ?? ''}`}
      />
    </section>
  );
}

function Runs({ model, compared }: { model: string; compared: readonly string[] }): VNode {
  return (
    <section>
      <h2>Runs</h2>
      <Asked<RunView[]> path="/api/models/runs" what="the runs" everyMs={everyMs}>
        {(runs) => <RunList runs={runs.filter((run) => run.model === model)} model={model} compared={compared} />}
      </Asked>
      {compared.length < 2 ? null : <RunComparison ids={compared} />}
    </section>
  );
}

interface RunListProps {
  readonly runs: readonly RunView[];
  readonly model: string;
  readonly compared: readonly string[];
}

function RunList({ runs, model, compared }: RunListProps): VNode {
  const toggle = (id: string): void => {
    // As it is now: who picks fast picks again before the page is drawn.
    const picked = runsOf(currentRoute());
    const next = picked.includes(id) ? picked.filter((one) => one !== id) : [...picked, id];
    goTo('/models', { model, runs: next.join(',') });
  };
  const columns: readonly Column<RunView>[] = [
    {
      title: 'Compare',
      cell: ({ runId }) => (
        <label class="pair">
          <input
            type="checkbox"
            checked={compared.includes(runId)}
            disabled={!compared.includes(runId) && compared.length >= mostCompared}
            onChange={() => toggle(runId)}
          />{' '}
          <code>{runId.slice(0, 12)}</code>
        </label>
      ),
    },
    { title: 'State', cell: ({ state }) => <Badge text={state} /> },
    { title: 'Version', number: true, cell: ({ version }) => version || '–' },
    { title: 'Reason', cell: ({ reason }) => <span class="words">{reason}</span> },
    { title: 'Pipeline', cell: ({ pipeline }) => pipeline },
    { title: 'Made', cell: ({ createdMs }) => <Time atMs={createdMs} /> },
    { title: 'Took', number: true, cell: ({ durationMs }) => duration(durationMs) },
    { title: 'Problem', cell: ({ error }) => <span class="words">{error}</span> },
  ];
  return (
    <>
      <p class="quiet">Pick two or more, at most {mostCompared}, to lay them side by side.</p>
      <Table
        caption={`Runs of ${model}, newest first`}
        rows={runs}
        rowKey={({ runId }) => runId}
        none="No run yet."
        columns={columns}
      />
    </>
  );
}
