import { type Candidate, type Rollout, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';

/**
 * The route that follows from a rollout's newest move. `previous` is what was live before and stays until what is live changes again, so that it can be gone back to while the
 * next rollout is under way.
 * @param before the endpoint's route
 */
export function routeOf(before: Route, rollout: Rollout, changedMs: number): Route {
  const isLive = rollout.state === 'live';
  const live = isLive ? rollout.candidate : before.live;
  const previous = isLive ? before.live : before.previous;
  const candidate = candidateOf(rollout);
  return Route.fromPartial({
    endpoint: before.endpoint,
    model: before.model,
    generation: before.generation + 1,
    cause: `rollout ${rollout.state}: ${rollout.moves.at(-1)?.cause ?? rollout.cause}`,
    changedMs,
    ...(live === undefined ? {} : { live }),
    ...(previous === undefined ? {} : { previous }),
    ...(candidate === undefined ? {} : { candidate }),
  });
}

/** Absent in every state in which the candidate answers nothing and is shown nothing. */
function candidateOf(rollout: Rollout): Candidate | undefined {
  if (rollout.state !== 'shadow' && rollout.state !== 'canary') return undefined;
  return {
    version: rollout.candidate,
    rolloutId: rollout.rolloutId,
    step: rollout.step,
    percent: rollout.state === 'shadow' ? 0 : (rollout.steps[rollout.step]?.percent ?? 0),
    mirror: beganWithShadow(rollout),
  };
}

/** The paired comparison that a shadow step begins goes on through the canaries. */
function beganWithShadow({ steps, moves }: Rollout): boolean {
  return steps[moves[0]?.step ?? 0]?.kind === 'shadow';
}
