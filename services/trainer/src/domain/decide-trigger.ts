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
  history: TriggerHistory,
): TriggerDecision {
  return refusalsOf(triggers, reason, nowMs, history)[0] ?? { decision: 'started', because: '' };
}

/**
 * The next decision about something that goes on.
 * @param before the last one @returns undefined = not yet: what spoke against a run then does so still, or the run that was started then has not ended or not cooled down
 */
export function decideAgain(
  before: TriggerDecision['decision'],
  triggers: TriggersSpec | undefined,
  reason: TriggerReason,
  nowMs: number,
  history: TriggerHistory,
): TriggerDecision | undefined {
  const waitsFor: readonly Refusal[] = before === 'started' ? ['under-way', 'cool-down'] : [before];
  const refusals = refusalsOf(triggers, reason, nowMs, history);
  if (refusals.some(({ decision }) => waitsFor.includes(decision))) return undefined;
  return refusals[0] ?? { decision: 'started', because: '' };
}

/** All that speaks against a run now, in the order in which it is told. */
function refusalsOf(
  triggers: TriggersSpec | undefined,
  reason: TriggerReason,
  nowMs: number,
  { startedMs, underWay }: TriggerHistory,
): (TriggerDecision & { readonly decision: Refusal })[] {
  if (triggers === undefined || !asksFor(triggers, reason))
    return [{ decision: 'not-asked', because: `the pipeline's triggers do not ask for ${reason}` }];
  const refusals: { decision: Refusal; because: string }[] = [];
  const refuse = (decision: Refusal, because: string) => refusals.push({ decision, because });
  if (underWay) refuse('under-way', 'a run of the pipeline has not ended');
  const cooledMs = Math.max(...startedMs) + triggers.cooldownMs; // of none: -Infinity
  if (nowMs < cooledMs)
    refuse('cool-down', `the last triggered run is too recent: not before ${new Date(cooledMs).toISOString()}`);
  const today = startedMs.filter((startMs) => startMs > nowMs - dayMs).length;
  if (today >= triggers.maxRunsPerDay)
    refuse('budget', `${today} triggered runs in 24 hours, maxRunsPerDay is ${triggers.maxRunsPerDay}`);
  return refusals;
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
