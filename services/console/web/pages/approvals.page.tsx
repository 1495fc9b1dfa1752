import type { VNode } from 'preact';
import type { ApprovalView, VoteView } from '../../views/approvals.view.js';
import { sendJson } from '../api.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { Confirmed } from '../parts/confirmed.js';
import { Empty } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { hrefOf, type Route } from '../route.js';

export const approvalsPage: Page = {
  path: '/approvals',
  title: 'Approvals',
  nav: 'Approvals',
  render: (route) => <ApprovalsPage route={route} />,
};

const everyMs = 3_000;

function ApprovalsPage({ route }: { route: Route }): VNode {
  const digest = route.query.get('digest') ?? '';
  return (
    <Asked<ApprovalView[]> path="/api/approvals" what="the approvals" everyMs={everyMs}>
      {(approvals, again) => {
        const shown = digest === '' ? approvals : approvals.filter((one) => one.digest === digest);
        return (
          <>
            {digest === '' ? null : (
              <p>
                <a href={hrefOf('/approvals')}>All approvals</a>
              </p>
            )}
            <Part title="Waiting" approvals={shown.filter(({ state }) => state === 'waiting')} again={again} />
            <Part title="Decided" approvals={shown.filter(({ state }) => state !== 'waiting')} again={again} />
          </>
        );
      }}
    </Asked>
  );
}

interface PartProps {
  readonly title: string;
  readonly approvals: readonly ApprovalView[];
  readonly again: () => void;
}

function Part({ title, approvals, again }: PartProps): VNode {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {approvals.length === 0 ? <Empty>None.</Empty> : null}
      {approvals.map((approval) => (
        <Approval approval={approval} again={again} key={approval.digest} />
      ))}
    </section>
  );
}

function Approval({ approval, again }: { approval: ApprovalView; again: () => void }): VNode {
  const { digest, subject, policy, requestedBy, requestedMs, state, quorum, roles, notRequester, votes } = approval;
  const inFavour = votes.filter(({ approve }) => approve).length;
  const rollout = /^rollouts\/(.+)$/.exec(subject)?.[1];
  return (
    <article class="card" data-digest={digest}>
      <h3>
        {rollout === undefined ? subject : <a href={hrefOf('/rollouts', { id: rollout })}>{subject}</a>}{' '}
        <Badge text={state} />
      </h3>
      <p>
        Asked for by {requestedBy} <Time atMs={requestedMs} />, because of the policy {policy}: {inFavour} of {quorum}{' '}
        who have the role {roles.join(' or ') || '–'}
        {notRequester ? ', and not who asked for it' : ''}.
      </p>
      <Content approval={approval} />
      <Votes votes={votes} />
      {state === 'waiting' ? <Decide approval={approval} again={again} /> : null}
    </article>
  );
}

/** What the digest is of: it is shown whole, and held against the digest here. */
function Content({ approval: { digest, content, contentMatches, state } }: { approval: ApprovalView }): VNode {
  return (
    <>
      <p>
        SHA-256 <code>{digest}</code>{' '}
        <Badge
          text={contentMatches ? 'is of the content below' : 'is not of the content below'}
          tone={contentMatches ? 'good' : 'bad'}
        />
      </p>
      <details open={state === 'waiting'}>
        <summary>What is approved</summary>
        <pre>{pretty(content)}</pre>
      </details>
    </>
  );
}

function Votes({ votes }: { votes: readonly VoteView[] }): VNode {
  return (
    <Table<VoteView>
      caption="Votes"
      rows={votes}
      rowKey={({ voter, atMs }) => `${voter} ${atMs}`}
      none="Nobody has voted yet."
      columns={[
        { title: 'Who', cell: ({ voter }) => voter },
        { title: 'As', cell: ({ roles }) => roles.join(', ') },
        { title: 'Vote', cell: ({ approve }) => <Badge text={approve ? 'approved' : 'rejected'} /> },
        { title: 'When', cell: ({ atMs }) => <Time atMs={atMs} /> },
        { title: 'Comment', cell: ({ comment }) => <span class="words">{comment || '–'}</span> },
      ]}
    />
  );
}

function Decide({ approval, again }: { approval: ApprovalView; again: () => void }): VNode {
  const { digest, subject, contentMatches } = approval;
  const decide = async (approve: boolean, comment: string): Promise<void> => {
    await sendJson('POST', '/api/approvals/decide', { digest, approve, comment });
    again();
  };
  return (
    <div class="buttons">
      {contentMatches ? (
        <Confirmed
          action="Approve"
          title={`Approve ${subject}?`}
          text={`Your vote is for exactly this content, ${digest.slice(0, 12)}, and is kept in the audit log.`}
          field="Comment"
          required={false}
          primary
          onConfirm={(words) => decide(true, words)}
        />
      ) : null}
      <Confirmed
        action="Reject"
        title={`Reject ${subject}?`}
        text="One vote against it ends it: it has to be asked for again."
        field="Comment"
        required
        onConfirm={(words) => decide(false, words)}
      />
    </div>
  );
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json; // shown as it is; the digest is of these bytes
  }
}
