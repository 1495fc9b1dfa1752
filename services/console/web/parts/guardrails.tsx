import type { VNode } from 'preact';
import type { EvidenceView, JudgementView } from '../../views/rollouts.view.js';
import { Badge } from './badge.js';
import { BandChart } from './band-chart.js';
import { count, figure } from './format.js';
import { Empty } from './states.js';
import { Time } from './time.js';

/** Each guardrail's sequential test against its bounds, and what the newest judgement says. @param judgements oldest first */
export function Guardrails({ judgements }: { judgements: readonly JudgementView[] }): VNode {
  const newest = judgements.at(-1);
  return (
    <section>
      <h2>Sequential tests</h2>
      {newest === undefined ? (
        <Empty>Not judged yet.</Empty>
      ) : (
        <>
          <p>
            <Badge text={newest.outcome} /> {newest.reason}{' '}
            <span class="quiet">
              Judged <Time atMs={newest.judgedMs} />.
            </span>
          </p>
          <div class="guardrails">
            {newest.evidence.map((evidence) => (
              <Guardrail
                key={evidence.guardrail}
                now={evidence}
                past={judgements.flatMap((one) =>
                  one.evidence.filter(({ guardrail }) => guardrail === evidence.guardrail),
                )}
              />
            ))}
          </div>
          {newest.evidence.length === 0 ? (
            <Empty>The endpoint has no guardrails: the count of predictions decides.</Empty>
          ) : null}
        </>
      )}
    </section>
  );
}

function Guardrail({ now, past }: { now: EvidenceView; past: readonly EvidenceView[] }): VNode {
  const { guardrail, outcome, reason, margin, alpha, method, candidateRows, baselineRows } = now;
  const known = past.filter(({ harm, low, high }) => harm !== null && low !== null && high !== null);
  const grows = known.every((one, i) => i === 0 || one.candidateRows >= known[i - 1]!.candidateRows);
  // Judgements of the same rows are one point: the newest.
  const points = grows ? known.filter((one, i) => one.candidateRows !== known[i + 1]?.candidateRows) : known;
  return (
    <article class="card" data-guardrail={guardrail}>
      <h3>
        {guardrail} <Badge text={outcome} />
      </h3>
      <p>{reason}</p>
      {points.length === 0 ? (
        <Empty>No harm can be measured yet.</Empty>
      ) : (
        <BandChart
          label={`Harm of ${guardrail} with its bounds, over predictions of the candidate`}
          x={points.map(({ candidateRows }, i) => (grows ? candidateRows : i + 1))}
          bands={[
            {
              label: 'harm',
              line: 1,
              mid: points.map(({ harm }) => harm),
              low: points.map(({ low }) => low),
              high: points.map(({ high }) => high),
            },
          ]}
          marks={[
            { label: 'fails when surely above 0', value: 0, tone: 'bad' },
            ...(margin === null
              ? []
              : [{ label: `passes when surely below ${figure(margin)}`, value: margin, tone: 'good' as const }]),
          ]}
          formatX={(value) => (grows ? `${count(value)} predictions` : `judgement ${value}`)}
        />
      )}
      <p class="quiet">
        {count(candidateRows)} rows of the candidate, {count(baselineRows)} of the live version;{' '}
        {method || 'no method yet'}, alpha {figure(alpha)}.
      </p>
    </article>
  );
}
