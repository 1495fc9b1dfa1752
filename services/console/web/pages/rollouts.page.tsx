import type { VNode } from 'preact';
import type { JudgementView, MoveView, RolloutDetailView } from '../../views/rollouts.view.js';
import { sendJson } from '../api.js';
import type { Page } from '../page.js';
import { Asked } from '../parts/asked.js';
import { Badge } from '../parts/badge.js';
import { Confirmed } from '../parts/confirmed.js';
import { Guardrails } from '../parts/guardrails.js';
import { RolloutSteps, StepProgress } from '../parts/rollout-steps.js';
import { type Column, Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { hrefOf, type Route } from '../route.js';

export const rolloutsPage: Page = {
  path: '/rollouts',
  title: 'Rollouts',
  nav: 'Rollouts',
  render: (route) => <RolloutsPage route={route} />,
};

const everyMs = 2_000;
const endedEveryMs = 15_000;
/** What a person can do in each state, as the registry has it. */
const actionsOf: Readonly<Record<string, readonly string[]>> = {
  pending: ['abort'],
  shadow: ['promote', 'pause', 'abort'],
  canary: ['promote', 'pause', 'abort'],
  paused: ['resume', 'abort'],
};
const effects: Readonly<Record<string, string>> = {
  promote: 'It takes its next step now, whatever the judge says; after the last step it is live.',
  pause: 'The candidate answers nothing, and is shown nothing, until somebody resumes it.',
  resume: 'It goes on in the step that it was paused in.',
  abort: 'The rollout ends. The live version answers everything, as before.',
};

function RolloutsPage({ route }: { route: Route }): VNode {
  const id = route.query.get('id') ?? '';
  if (id !== '') return <One id={id} key={id} />;
  return (
    <Asked<RolloutDetailView[]> path="/api/rollouts" what="the rollouts" everyMs={everyMs}>
      {(rollouts) => (
        <Table
          caption="Rollouts, newest first"
          rows={rollouts}
          rowKey={({ rolloutId }) => rolloutId}
          none="Nothing was rolled out yet."
          columns={listColumns}
        />
      )}
    </Asked>
  );
}

const listColumns: readonly Column<RolloutDetailView>[] = [
  {
    title: 'Rollout',
    cell: ({ rolloutId, endpoint, version }) => (
      <a href={hrefOf('/rollouts', { id: rolloutId })}>
        {endpoint} version {version}
      </a>
    ),
  },
  { title: 'Instead of', number: true, cell: ({ baseline }) => baseline || '–' },
  { title: 'State', cell: ({ state }) => <Badge text={state} /> },
  {
    title: 'Step',
    number: true,
    cell: ({ step, steps }) => (steps.length === 0 ? '–' : `${step + 1} of ${steps.length}`),
  },
  { title: 'Started', cell: ({ startedMs }) => <Time atMs={startedMs} /> },
  { title: 'By', cell: ({ startedBy }) => startedBy },
  { title: 'Last move', cell: ({ moves }) => <span class="words">{moves.at(-1)?.cause}</span> },
];

function One({ id }: { id: string }): VNode {
  const query = `?id=${encodeURIComponent(id)}`;
  return (
    <>
      <p>
        <a href={hrefOf('/rollouts')}>All rollouts</a>
      </p>
      <Asked<RolloutDetailView> path={`/api/rollouts/one${query}`} what="the rollout" everyMs={everyMs}>
        {(rollout, again) => (
          <>
            <Heading rollout={rollout} again={again} />
            <RolloutSteps rollout={rollout} />
            <Asked<JudgementView[]>
              path={`/api/rollouts/judgements${query}`}
              what="its judgements"
              everyMs={rollout.state in actionsOf ? everyMs : endedEveryMs}
            >
              {(judgements) => (
                <>
                  <StepProgress rollout={rollout} judgement={judgements.at(-1)} />
                  <Guardrails judgements={judgements} />
                </>
              )}
            </Asked>
            <Moves moves={rollout.moves} />
          </>
        )}
      </Asked>
    </>
  );
}

function Heading({ rollout, again }: { rollout: RolloutDetailView; again: () => void }): VNode {
  const { rolloutId, endpoint, model, version, baseline, state, cause, startedBy, startedMs, approvalDigest } = rollout;
  const move = async (action: string, words: string): Promise<void> => {
    await sendJson('POST', '/api/rollouts/move', { rolloutId, action, cause: words });
    again();
  };
  return (
    <section class="card">
      <h2>
        {endpoint}: version {version} of {model} <Badge text={state} />
      </h2>
      <p>
        Instead of {baseline === '' ? 'nothing' : `version ${baseline}`}. Started by {startedBy}{' '}
        <Time atMs={startedMs} />: {cause}. <code>{rolloutId}</code>
      </p>
      {approvalDigest === '' ? null : (
        <p>
          Needs approval of <a href={hrefOf('/approvals', { digest: approvalDigest })}>{approvalDigest.slice(0, 12)}</a>
          .
        </p>
      )}
      <div class="buttons">
        {(actionsOf[state] ?? []).map((action) => (
          <Confirmed
            key={action}
            action={capital(action)}
            title={`${capital(action)} version ${version} on ${endpoint}?`}
            text={effects[action]!}
            field="Cause"
            required
            primary={action === 'promote' || action === 'resume'}
            onConfirm={(words) => move(action, words)}
          />
        ))}
      </div>
    </section>
  );
}

function Moves({ moves }: { moves: readonly MoveView[] }): VNode {
  return (
    <section>
      <h2>Moves</h2>
      <Table<MoveView>
        caption="Moves, newest first"
        rows={moves.toReversed()}
        rowKey={({ movedMs, to }) => `${movedMs} ${to}`}
        none="It has not moved."
        columns={[
          { title: 'When', cell: ({ movedMs }) => <Time atMs={movedMs} /> },
          { title: 'From', cell: ({ from }) => from || '–' },
          { title: 'To', cell: ({ to }) => <Badge text={to} /> },
          { title: 'Step', number: true, cell: ({ step }) => step + 1 },
          { title: 'By', cell: ({ movedBy }) => movedBy },
          { title: 'Cause', cell: ({ cause }) => <span class="words">{cause}</span> },
        ]}
      />
    </section>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
