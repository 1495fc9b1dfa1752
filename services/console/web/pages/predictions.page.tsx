import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { LoggedView, LogPageView } from '../../views/predictions.view.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { figure } from '../parts/format.js';
import { Empty } from '../parts/states.js';
import { Instant, Time } from '../parts/time.js';
import { goTo, hrefOf, type Route } from '../route.js';

export const predictionsPage: Page = {
  path: '/predictions',
  title: 'Predictions',
  nav: 'Predictions',
  render: (route) => <PredictionsPage route={route} key={route.query.toString()} />,
};

const filterNames = ['endpoint', 'version', 'arm', 'label', 'from', 'to', 'key', 'id', 'minScore', 'maxScore'] as const;
type Filters = Readonly<Record<string, string>>;

function PredictionsPage({ route }: { route: Route }): VNode {
  const filters = Object.fromEntries([...filterNames, 'fallback'].map((name) => [name, route.query.get(name) ?? '']));
  const before = route.query.get('before') ?? '';
  const query = new URLSearchParams(Object.entries({ ...filters, before }).filter(([, value]) => value !== ''));
  return (
    <>
      <FilterForm filters={filters} />
      <Asked<LogPageView> path={`/api/predictions?${query}`} what="the prediction log">
        {({ predictions, next }) => (
          <>
            <Log predictions={predictions} />
            <p class="buttons">
              {before === '' ? null : <a href={hrefOf('/predictions', filters)}>Newest</a>}
              {next === '' ? null : <a href={hrefOf('/predictions', { ...filters, before: next })}>Older</a>}
            </p>
          </>
        )}
      </Asked>
    </>
  );
}

function FilterForm({ filters }: { filters: Filters }): VNode {
  const submit = (event: Event): void => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    goTo('/predictions', Object.fromEntries([...given].map(([name, value]) => [name, String(value).trim()])));
  };
  const text = (name: string, label: string, placeholder = ''): VNode => (
    <label>
      {label}
      <input name={name} defaultValue={filters[name]} placeholder={placeholder} size={14} />
    </label>
  );
  const choice = (name: string, label: string, values: readonly string[]): VNode => (
    <label>
      {label}
      <select name={name} defaultValue={filters[name]}>
        <option value="">any</option>
        {values.map((value) => (
          <option selected={filters[name] === value} key={value}>
            {value}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <form class="filters" aria-label="Filters" onSubmit={submit}>
      {text('endpoint', 'Endpoint')}
      {text('version', 'Version')}
      {choice('arm', 'Arm', ['live', 'canary'])}
      {choice('label', 'Label', ['known', 'missing'])}
      {text('from', 'As of, from', '2001-06-20T00:00:00Z')}
      {text('to', 'As of, before', '2001-06-21T00:00:00Z')}
      {text('key', 'Join key')}
      {text('minScore', 'Score, from', '0')}
      {text('maxScore', 'Score, to', '1')}
      {text('id', 'Prediction')}
      <label>
        Fallback only
        <input type="checkbox" name="fallback" value="true" defaultChecked={filters['fallback'] === 'true'} />
      </label>
      <button type="submit" class="primary">
        Show
      </button>
    </form>
  );
}

const headings = ['Prediction', 'As of', 'Endpoint', 'Version', 'Arm', 'Join key', 'Score', 'Label', 'Took'];
const numbers = ['Version', 'Score', 'Label', 'Took'];

function Log({ predictions }: { predictions: readonly LoggedView[] }): VNode {
  const only = predictions.length === 1 ? predictions[0]!.predictionId : '';
  const [open, setOpen] = useState(only);
  if (predictions.length === 0) return <Empty>No prediction is like this.</Empty>;
  return (
    <div class="scroll" role="region" aria-label="Prediction log, newest first" tabIndex={0}>
      <table>
        <caption class="unseen">Prediction log, newest first</caption>
        <thead>
          <tr>
            {headings.map((heading) => (
              <th scope="col" class={numbers.includes(heading) ? 'number' : undefined} key={heading}>
                {heading}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {predictions.map((one) => (
            <Row
              key={one.predictionId}
              one={one}
              open={open === one.predictionId}
              onToggle={() => setOpen(open === one.predictionId ? '' : one.predictionId)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ one, open, onToggle }: { one: LoggedView; open: boolean; onToggle: () => void }): VNode {
  return (
    <>
      <tr>
        <th scope="row">
          <button type="button" aria-expanded={open} onClick={onToggle}>
            <code>{one.predictionId}</code>
          </button>
        </th>
        <td class="whole">
          <Instant atMs={one.asOfMs} />
        </td>
        <td class="whole">{one.endpoint}</td>
        <td class="number">{one.version}</td>
        <td>
          {one.arm} {one.fallback ? <Badge text="fallback" tone="warn" /> : null}
          {one.cached ? <Badge text="cached" tone="calm" /> : null}
        </td>
        <td>{one.joinKey || '–'}</td>
        <td class="number">{figure(one.score ?? NaN)}</td>
        <td class="number">{one.label === null ? <span class="quiet">not known</span> : one.label}</td>
        <td class="number">{milliseconds(one.latencyUs)}</td>
      </tr>
      {open ? (
        <tr class="details">
          <td colSpan={headings.length}>
            <Details one={one} />
          </td>
        </tr>
      ) : null}
    </>
  );
}

function milliseconds(us: number): string {
  return `${(us / 1_000).toFixed(1)} ms`;
}

function Details({ one }: { one: LoggedView }): VNode {
  return (
    <>
      <p>
        <a href={hrefOf('/trace', { id: one.predictionId })}>Trace to its origin</a> · answered{' '}
        <Time atMs={one.answeredAtMs} /> to {one.caller || 'nobody known'}
        {one.stickyKey === '' ? null : (
          <>
            , sticky key <code>{one.stickyKey}</code>
          </>
        )}
        {one.rolloutId === '' ? null : (
          <>
            , during <a href={hrefOf('/rollouts', { id: one.rolloutId })}>a rollout</a>, step {one.rolloutStep + 1}
          </>
        )}
      </p>
      <p>
        {milliseconds(one.latencyUs)} in all: {milliseconds(one.featuresUs)} for the features,{' '}
        {milliseconds(one.inferUs)} for the score
        {one.labelSource === 'feedback' ? '. The label is the feedback of a caller' : null}
      </p>
      <h3>Request</h3>
      {one.payloadSampledOut ? (
        <Empty>The endpoint logs a sample of requests and features; this one is not in it.</Empty>
      ) : (
        <pre>{pretty(one.request)}</pre>
      )}
      <h3>Features</h3>
      {one.features.length === 0 ? (
        <Empty>{one.payloadSampledOut ? 'Not in the sample either.' : 'The endpoint does not log them.'}</Empty>
      ) : (
        <dl class="unfolded" aria-label="Features">
          {one.features.map(({ name, value }, i) => (
            <div class="facts" key={i}>
              <dt>{name || `number ${i + 1}`}</dt>
              <dd>{value === null ? 'null' : value}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json; // what was asked is shown as it is
  }
}
