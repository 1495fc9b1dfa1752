import type { VNode } from 'preact';
import type { JudgementView, RolloutDetailView } from '../../views/rollouts.view.js';
import { count } from './format.js';

type Standing = 'done' | 'skipped' | 'now' | 'paused' | 'stopped' | 'next';

interface Stop {
  readonly name: string;
  readonly detail: string;
  readonly standing: Standing;
}

const words: Readonly<Record<Standing, string>> = {
  done: 'done',
  skipped: 'skipped',
  now: 'now',
  paused: 'paused here',
  stopped: 'stopped here',
  next: 'to come',
};

/** The way from pending to live as a picture: what is behind it, where it stands, what comes. */
export function RolloutSteps({ rollout }: { rollout: RolloutDetailView }): VNode {
  return (
    <section>
      <h2>Steps</h2>
      <ol class="steps">
        {stopsOf(rollout).map(({ name, detail, standing }, i) => (
          <li class={standing} aria-current={standing === 'now' || standing === 'paused' ? 'step' : undefined} key={i}>
            <b>{name}</b>
            <span>{detail}</span>
            <span class="standing">{words[standing]}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

interface ProgressProps {
  readonly rollout: RolloutDetailView;
  readonly judgement: JudgementView | undefined;
}

/** How far the step is, by the newest judgement of it. */
export function StepProgress({ rollout, judgement }: ProgressProps): VNode | null {
  if (judgement === undefined || judgement.step !== rollout.step || !isTrying(rollout)) return null;
  const { stepPredictions, neededPredictions } = judgement;
  return (
    <p>
      {count(stepPredictions)} of {count(neededPredictions)} predictions by the candidate in this step.
    </p>
  );
}

function stopsOf(rollout: RolloutDetailView): Stop[] {
  const { steps, state, moves, approvalDigest } = rollout;
  const pending: Stop = {
    name: 'pending',
    detail: 'waits for approval',
    standing:
      state === 'pending' ? 'now' : state === 'aborted' && moves.at(-1)?.from === 'pending' ? 'stopped' : 'done',
  };
  const live: Stop = {
    name: 'live',
    detail: 'answers everything',
    standing: state === 'live' ? 'done' : 'next',
  };
  const between = steps.map(({ kind, percent, predictions }, i): Stop => {
    const share = kind === 'canary' ? `answers ${percent} %` : 'listens, answers nothing';
    const name = kind === 'canary' ? `canary ${percent} %` : kind;
    return { name, detail: `${share}, ${count(predictions)} predictions`, standing: standingOf(rollout, i) };
  });
  return [...(state === 'pending' || approvalDigest !== '' ? [pending] : []), ...between, live];
}

function standingOf({ state, step, moves }: RolloutDetailView, index: number): Standing {
  const began = moves.some(({ to }) => to === 'shadow' || to === 'canary');
  const first = moves.find(({ to }) => to === 'shadow' || to === 'canary')?.step ?? 0;
  if (state === 'pending' || !began) return state === 'live' ? 'skipped' : 'next';
  if (index < first) return 'skipped';
  if (index < step || state === 'live') return 'done';
  if (index > step) return 'next';
  if (state === 'paused') return 'paused';
  return state === 'aborted' || state === 'superseded' ? 'stopped' : 'now';
}

function isTrying({ state }: RolloutDetailView): boolean {
  return state === 'shadow' || state === 'canary' || state === 'paused';
}
