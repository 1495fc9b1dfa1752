import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { EstimateView, PerformanceView } from '../../views/drift.view.js';
import { Asked } from './asked.js';
import { type Band, BandChart } from './band-chart.js';
import { absolute, count, figure } from './format.js';
import { Empty } from './states.js';
import { Table } from './table.js';

const hourMs = 3_600_000;
const lengths: readonly [string, number][] = [
  ['1 hour', hourMs],
  ['6 hours', 6 * hourMs],
  ['1 day', 24 * hourMs],
  ['1 week', 168 * hourMs],
];
/** It is measured anew each time, over the whole log. */
const everyMs = 60_000;

/** How well an endpoint does: all in all, and window by window; realised where labels came, estimated before. */
export function Performance({ endpoint }: { endpoint: string }): VNode {
  const [stepMs, setStepMs] = useState(24 * hourMs);
  const [metric, setMetric] = useState('auc');
  const path = `/api/drift/performance?endpoint=${encodeURIComponent(endpoint)}&stepMs=${stepMs}`;
  return (
    <section>
      <h2>Performance</h2>
      <form class="filters">
        <label>
          Windows of
          <select value={String(stepMs)} onChange={(event) => setStepMs(Number(event.currentTarget.value))}>
            {lengths.map(([name, ms]) => (
              <option value={String(ms)} key={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Metric
          <select value={metric} onChange={(event) => setMetric(event.currentTarget.value)}>
            {['auc', 'logloss', 'brier', 'ece', 'base_rate'].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </form>
      <Asked<PerformanceView> path={path} what="the performance" everyMs={everyMs}>
        {(performance) => (
          <>
            <OverTime performance={performance} metric={metric} />
            <AllInAll performance={performance} />
          </>
        )}
      </Asked>
    </section>
  );
}

function OverTime({ performance: { windows }, metric }: { performance: PerformanceView; metric: string }): VNode {
  const bands = [
    bandOf(
      `${metric}, realised`,
      1,
      windows.map(({ metrics }) => metrics[metric]),
    ),
    bandOf(
      `${metric}, estimated from scores`,
      3,
      windows.map(({ estimated }) => estimated[metric]),
    ),
  ].filter(({ mid }) => mid.some((value) => value !== null));
  if (bands.length === 0) return <Empty>No window has a value of {metric}.</Empty>;
  return (
    <BandChart
      label={`${metric} over time with its 95 % interval`}
      x={windows.map(({ fromMs }) => fromMs)}
      bands={bands}
      formatX={(ms) => absolute(ms).slice(0, 16)}
    />
  );
}

function bandOf(label: string, line: Band['line'], values: readonly (EstimateView | undefined)[]): Band {
  return {
    label,
    line,
    mid: values.map((one) => one?.value ?? null),
    low: values.map((one) => one?.low ?? null),
    high: values.map((one) => one?.high ?? null),
  };
}

function AllInAll({ performance }: { performance: PerformanceView }): VNode {
  const { predictions, labelled, metrics, estimated, concept } = performance;
  const names = [...new Set([...Object.keys(metrics), ...Object.keys(estimated)])];
  return (
    <>
      <p>
        {count(labelled)} of {count(predictions)} predictions have their label.
        {concept === null
          ? null
          : ` Log-loss above what the scores say: ${interval(concept)}${surelyAbove(concept) ? ': scores mean something else than they did' : ''}.`}
      </p>
      <Table
        caption="Performance over the whole time"
        rows={names}
        rowKey={(name) => name}
        none="Neither labels nor a reference are there yet."
        columns={[
          { title: 'Metric', cell: (name) => name },
          { title: 'Realised (95 % interval)', number: true, cell: (name) => interval(metrics[name]) },
          { title: 'Estimated before labels', number: true, cell: (name) => interval(estimated[name]) },
        ]}
      />
    </>
  );
}

function interval(one: EstimateView | undefined): string {
  if (one === undefined) return '–';
  const [value, low, high] = [one.value, one.low, one.high].map((number) => figure(number ?? NaN));
  return `${value} (${low} to ${high})`;
}

function surelyAbove({ low }: EstimateView): boolean {
  return low !== null && low > 0;
}
