import type { TargetedSubmitEvent, VNode } from 'preact';
import type { AuditEntryView, AuditPageView, TreeHeadView, VerifiedView } from '../../views/audit.view.js';
import { sendJson } from '../api.js';
import type { Page } from '../page.js';
import { Action } from '../parts/action.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { count } from '../parts/format.js';
import { Proof } from '../parts/proof.js';
import { Empty } from '../parts/states.js';
import { type Column, Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { goTo, hrefOf, type Route } from '../route.js';

export const auditPage: Page = {
  path: '/audit',
  title: 'Audit',
  nav: 'Audit',
  render: (route) => <AuditPage route={route} />,
};

const onePage = 50;
/** The whole log is read. */
const verifyMs = 65_000;
const filters = ['actor', 'decision', 'resource'] as const;

function AuditPage({ route: { query } }: { route: Route }): VNode {
  const entry = query.get('entry');
  return (
    <>
      <section class="card">
        <Asked<TreeHeadView | null> path="/api/audit/head" what="the signed head" everyMs={5_000}>
          {(head) => (head === null ? <Empty>Nothing was recorded yet.</Empty> : <Head head={head} />)}
        </Asked>
        <Action<VerifiedView>
          title="Verify"
          busy="Recomputing the whole log …"
          run={() => sendJson('POST', '/api/audit/verify', undefined, verifyMs)}
        >
          {(verified) => <Verified verified={verified} />}
        </Action>
      </section>
      {entry === null ? null : <Proof index={Number(entry)} key={entry} />}
      <Entries query={query} />
    </>
  );
}

function Head({ head }: { head: TreeHeadView }): VNode {
  return (
    <>
      <h2>
        Signed head{' '}
        <Badge
          text={head.problem === '' ? 'signature holds' : 'signature does not hold'}
          tone={head.problem === '' ? 'good' : 'bad'}
        />
      </h2>
      {head.problem === '' ? null : <p class="problem">{head.problem}</p>}
      <dl class="facts">
        <dt>Entries</dt>
        <dd>{count(head.size)}</dd>
        <dt>Root</dt>
        <dd>
          <code>{head.root}</code>
        </dd>
        <dt>Signed</dt>
        <dd>
          <Time atMs={head.signedMs} />
        </dd>
        <dt>Public key</dt>
        <dd>
          <code>{head.publicKey}</code>
        </dd>
      </dl>
      <details>
        <summary>Checkpoint, to keep elsewhere</summary>
        <pre>{head.checkpoint}</pre>
      </details>
    </>
  );
}

function Verified({ verified: { ok, entries, heads, problems } }: { verified: VerifiedView }): VNode {
  return (
    <div>
      <p>
        <Badge text={ok ? 'proved' : 'changed'} tone={ok ? 'good' : 'bad'} /> {count(entries)} entries under{' '}
        {count(heads)} signed heads
        {ok ? ': nothing was changed.' : ':'}
      </p>
      <ul>
        {problems.map((problem) => (
          <li class="problem">{problem}</li>
        ))}
      </ul>
    </div>
  );
}

function Entries({ query }: { query: URLSearchParams }): VNode {
  const asked = new URLSearchParams([...filters, 'from'].map((name) => [name, query.get(name) ?? '']));
  return (
    <section>
      <h2>Entries</h2>
      <Filters query={query} />
      <Asked<AuditPageView> path={`/api/audit/entries?${asked}`} what="the entries" everyMs={5_000}>
        {({ size, entries }) => (
          <>
            <Table
              caption="Audit entries"
              columns={columnsOf(query)}
              rows={entries}
              rowKey={({ index }) => String(index)}
              none="No entry is like that."
            />
            <Pages query={query} size={size} shown={entries.length} />
          </>
        )}
      </Asked>
    </section>
  );
}

function Filters({ query }: { query: URLSearchParams }): VNode {
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    goTo('/audit', Object.fromEntries(filters.map((name) => [name, String(form.get(name) ?? '').trim()])));
  };
  const value = (name: string): string => query.get(name) ?? '';
  return (
    <form class="filters" onSubmit={submit} key={filters.map(value).join('\n')}>
      <label>
        Actor <input name="actor" defaultValue={value('actor')} />
      </label>
      <label>
        Decision
        <select name="decision" defaultValue={value('decision')}>
          {['', 'allow', 'deny'].map((decision) => (
            <option value={decision} selected={decision === value('decision')}>
              {decision || 'any'}
            </option>
          ))}
        </select>
      </label>
      <label>
        Resource begins with <input name="resource" defaultValue={value('resource')} />
      </label>
      <button type="submit">Show</button>
    </form>
  );
}

function columnsOf(query: URLSearchParams): readonly Column<AuditEntryView>[] {
  const now = Object.fromEntries(query);
  return [
    {
      title: 'Entry',
      number: true,
      cell: ({ index }) => (
        <a href={hrefOf('/audit', { ...now, entry: String(index) })} aria-label={`Proof of entry ${index}`}>
          {index}
        </a>
      ),
    },
    { title: 'When', cell: ({ atMs }) => <Time atMs={atMs} /> },
    { title: 'Actor', cell: ({ actor, roles }) => <span title={roles.join(', ')}>{actor}</span> },
    { title: 'Action', cell: ({ action }) => action },
    { title: 'Resource', cell: ({ resource }) => <code>{resource}</code> },
    { title: 'Decision', cell: ({ decision }) => (decision === '' ? '–' : <Badge text={decision} />) },
    { title: 'Outcome', cell: ({ outcome }) => outcome || '–' },
    { title: 'Reason', cell: ({ reason, details }) => <Details reason={reason} details={details} /> },
  ];
}

function Details({ reason, details }: Pick<AuditEntryView, 'reason' | 'details'>): VNode {
  const facts = Object.entries(details);
  if (facts.length === 0) return <span>{reason}</span>;
  return (
    <details>
      <summary>{reason || 'details'}</summary>
      <dl class="facts">{facts.flatMap(([name, value]) => [<dt>{name}</dt>, <dd>{value}</dd>])}</dl>
    </details>
  );
}

function Pages({ query, size, shown }: { query: URLSearchParams; size: number; shown: number }): VNode {
  const from = Number(query.get('from') ?? 0);
  const now = Object.fromEntries(query);
  return (
    <p class="pages">
      <span class="quiet">{count(size)} entries in the log.</span>
      {from === 0 ? null : (
        <a href={hrefOf('/audit', { ...now, from: from > onePage ? String(from - onePage) : '' })}>Newer</a>
      )}
      {shown < onePage ? null : <a href={hrefOf('/audit', { ...now, from: String(from + onePage) })}>Older</a>}
    </p>
  );
}
