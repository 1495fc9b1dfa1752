import type { VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { TraceItemView, TraceView } from '../../views/trace.view.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { OriginPicture, standingOf } from '../parts/origin-picture.js';
import { Empty } from '../parts/states.js';
import { Instant } from '../parts/time.js';
import { goTo, hrefOf, type Route } from '../route.js';

export const tracePage: Page = {
  path: '/trace',
  title: 'Trace',
  nav: 'Trace',
  render: (route) => <TracePage route={route} />,
};

const kinds: Readonly<Record<string, string>> = {
  prediction: 'The answer',
  version: 'Model version',
  run: 'Training run',
  code: 'Code',
  snapshot: 'Training set',
  features: 'Feature definitions',
  events: 'Events',
  rollout: 'Rollout',
  approval: 'Approval',
  audit: 'Audit log',
};

function TracePage({ route }: { route: Route }): VNode {
  const id = route.query.get('id') ?? '';
  const submit = (event: Event): void => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement).get('id');
    goTo('/trace', { id: String(given ?? '').trim() });
  };
  return (
    <>
      <form class="filters" onSubmit={submit}>
        <label>
          Prediction
          <input name="id" defaultValue={id} key={id} size={40} required />
        </label>
        <button type="submit" class="primary">
          Trace
        </button>
      </form>
      {id === '' ? (
        <Empty>
          From a prediction back to the events behind it. <a href={hrefOf('/predictions')}>Predictions</a> link here.
        </Empty>
      ) : (
        <Asked<TraceView> path={`/api/trace?id=${encodeURIComponent(id)}`} what="what stands behind it">
          {(trace) => <Origin trace={trace} at={route.query.get('at') ?? ''} />}
        </Asked>
      )}
    </>
  );
}

function Origin({ trace: { predictionId, items }, at }: { trace: TraceView; at: string }): VNode {
  const unproved = items.filter((item) => standingOf([item]) === 'bad').length;
  const unrecorded = items.filter((item) => standingOf([item]) === 'warn').length;
  return (
    <>
      <p>
        <Badge text={unproved === 0 ? 'proved' : 'not proved'} tone={unproved === 0 ? 'good' : 'bad'} />{' '}
        {unproved === 0
          ? `The audit log bears out all of these ${items.length} links${unrecorded === 0 ? '' : `; of ${unrecorded} something is kept nowhere`}.`
          : `${unproved} of ${items.length} links are not proved by the audit log.`}
      </p>
      <OriginPicture predictionId={predictionId} items={items} names={kinds} />
      {Object.entries(kinds).map(([kind, title]) => {
        const own = items.filter((item) => item.kind === kind);
        return own.length === 0 ? null : <Kind title={title} items={own} here={at === kind} key={kind} />;
      })}
    </>
  );
}

function Kind({ title, items, here }: { title: string; items: readonly TraceItemView[]; here: boolean }): VNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (here) heading.current?.focus();
    if (here) heading.current?.scrollIntoView();
  }, [here]);
  return (
    <section data-kind={items[0]!.kind}>
      <h2 ref={heading} tabIndex={-1}>
        {title}
      </h2>
      {items.map(({ id, atMs, facts }, i) => (
        <article class="card" key={i}>
          <h3>
            <code>{id || '–'}</code>{' '}
            {atMs === 0 ? null : (
              <span class="quiet">
                <Instant atMs={atMs} />
              </span>
            )}
          </h3>
          <dl class="facts">
            {facts.map(([name, value]) => (
              <Fact name={name} value={value} key={name} />
            ))}
          </dl>
        </article>
      ))}
    </section>
  );
}

const tones: Readonly<Record<string, 'good' | 'bad' | 'warn'>> = {
  proved: 'good',
  'not proved': 'bad',
  'not recorded': 'warn',
};

function Fact({ name, value }: { name: string; value: string }): VNode {
  const tone = tones[name];
  return (
    <>
      <dt>{tone === undefined ? name : <Badge text={name} tone={tone} />}</dt>
      <dd>{value}</dd>
    </>
  );
}
