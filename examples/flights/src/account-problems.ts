import type { Account } from './account.js';

/** After the recovery; while the feed's change was not known to the model it was .41 and more. */
const healedLogloss = 0.38;

/** What must hold, as sentences of what does not. @param whole the run whose live AUC is known */
export function problemsOf(account: Account, whole: boolean): string[] {
  const { events, predictions, vectors, audit } = account;
  const problems: string[] = [];
  if (events.in !== events.valid + events.quarantined)
    problems.push(`${events.in} events went in, ${events.valid} are valid and ${events.quarantined} quarantined`);
  if (predictions.answered === 0) problems.push('no prediction was answered');
  if (predictions.lost !== 0) problems.push(`${predictions.lost} answered predictions are not in the log`);
  if (predictions.duplicated !== 0)
    problems.push(`${predictions.duplicated} predictions are in the log more than once`);
  if (vectors.mismatches !== 0)
    problems.push(
      `${vectors.mismatches} of ${vectors.compared} online vectors differ from their offline recomputation`,
    );
  if (vectors.compared === 0) problems.push('no online vector was compared');
  if (!audit.proved) problems.push('the audit log does not prove itself: `millrace audit verify` names the entry');
  return whole ? [...problems, ...problemsOfLife(account)] : problems;
}

/** What must hold of the whole story, which ends after the feed's change has been answered. */
function problemsOfLife({ model, rollouts, phases, recovery, door }: Account): string[] {
  const problems: string[] = [];
  const outcomes = rollouts.map(({ outcome }) => outcome).join();
  if (outcomes !== 'live,refused,rolled-back,retrained')
    problems.push(`the rollouts ended as ${outcomes || 'none'}, not as live,refused,rolled-back,retrained`);
  if (!(model.liveAuc >= 0.86 && model.liveAuc <= 0.885))
    problems.push(`live AUC ${model.liveAuc.toFixed(4)} is outside .860 to .885: something leaks or is late`);
  const [, broken, healed] = phases;
  if (broken !== undefined && healed !== undefined && !(healed.logloss <= healedLogloss))
    problems.push(
      `log-loss ${healed.logloss} of version ${healed.version} is above ${healedLogloss}: the change of the feed is not healed (it was ${broken.logloss})`,
    );
  if (recovery !== null && !/delay|late_rate/.test(recovery.noticed.features[0] ?? ''))
    problems.push(
      `the alert names ${recovery.noticed.features.join(', ') || 'no feature'}, and none made of delays first`,
    );
  if (recovery?.resolved !== true) problems.push('the alert of performance is not resolved');
  if (recovery !== null && recovery.falseAlarms > 0)
    problems.push(`${recovery.falseAlarms} alerts fired before the feed changed: \`millrace alerts\` names them`);
  const [minutes, seconds] = door;
  if (minutes === undefined || seconds === undefined || seconds.quarantined <= minutes.quarantined)
    problems.push('a tight expectation on delay does not tell seconds from minutes');
  return problems;
}
