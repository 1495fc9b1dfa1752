import type { TriggersSpec } from '#libs/definitions/definition-kinds.js';

export type TriggerReason = 'performance' | 'concept' | 'drift' | 'schedule' | 'new-data';
export type Refusal = 'not-asked' | 'under-way' | 'cool-down' | 'budget';

/** What a pipeline has behind it. Wall clock, epoch ms. */
export interface TriggerHistory {
  /** When triggered runs of it were started, in any order; those of the last 24 hours and of the cool-down suffice. */
  readonly startedMs: readonly number[];
  /** A run of it, whoever started it, has not ended. */
  readonly underWay: boolean;
}

export interface TriggerDecision {
  readonly decision: 'started' | Refusal;
  /** Why, for a person; '' when it is started. */
  readonly because: string;
}

const dayMs = 86_400_000;

/** Whether something that happened starts a run. Of several refusals the first of not-asked, under-way, cool-down, budget is told. */
export function decideTrigger(
  triggers: TriggersSpec | undefined,
  reason: TriggerReason,
  nowMs: number,
  { startedMs, underWay }: TriggerHistory,
): TriggerDecision {
  if (triggers === undefined || !asksFor(triggers, reason))
    return refuse('not-asked', `the pipeline's triggers do not ask for ${reason}`);
  if (underWay) return refuse('under-way', 'a run of the pipeline has not ended');
  const cooledMs = Math.max(...startedMs) + triggers.cooldownMs; // of none: -Infinity
  if (nowMs < cooledMs)
    return refuse('cool-down', `the last triggered run is too recent: not before ${new Date(cooledMs).toISOString()}`);
  const today = startedMs.filter((startMs) => startMs > nowMs - dayMs).length;
  if (today >= triggers.maxRunsPerDay)
    return refuse('budget', `${today} triggered runs in 24 hours, maxRunsPerDay is ${triggers.maxRunsPerDay}`);
  return { decision: 'started', because: '' };
}

function asksFor(triggers: TriggersSpec, reason: TriggerReason): boolean {
  switch (reason) {
    case 'performance':
      return triggers.performance;
    case 'concept':
      return triggers.concept === true;
    case 'drift':
      return triggers.drift;
    case 'schedule':
      return triggers.schedule !== undefined;
    case 'new-data':
      return triggers.newData !== undefined;
  }
}

function refuse(decision: Refusal, because: string): TriggerDecision {
  return { decision, because };
}
