import type { Account } from './account.js';
import type { Narrator } from './narrator.js';
import type { RecoveryTold } from './recovery.js';

export function printAccount(account: Account, narrator: Narrator): void {
  const { events, predictions, vectors, model, rollouts, phases, recovery, door, audit, latencyMs, rates } = account;
  const reasons = Object.entries(events.reasons).map(([reason, count]) => `${reason} ${count}`);
  narrator.step('the account');
  narrator.line(
    `events       in ${events.in}   valid ${events.valid}   quarantined ${events.quarantined}${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`,
  );
  narrator.line(
    `predictions  answered ${predictions.answered}   logged ${predictions.logged}   lost ${predictions.lost}   duplicated ${predictions.duplicated}   fallback ${predictions.fallback}`,
  );
  narrator.line(`vectors      compared ${vectors.compared}   mismatches ${vectors.mismatches}`);
  narrator.line(
    `model        version ${model.version}   AUC offline ${model.offlineAuc.toFixed(4)} live ${model.liveAuc.toFixed(4)}   log-loss offline ${model.offlineLogloss.toFixed(4)} live ${model.liveLogloss.toFixed(4)}   labelled ${model.labelled}`,
  );
  for (const { version, outcome, reason, predictions: made, seconds } of rollouts)
    narrator.line(`rollout      version ${version} ${outcome} after ${made} predictions, ${seconds} s: ${reason}`);
  for (const { phase, version, labelled, auc, logloss } of phases)
    narrator.line(
      `${phase.padEnd(12)} version ${version}   AUC ${auc.toFixed(4)}   log-loss ${logloss.toFixed(4)}   labelled ${labelled}`,
    );
  if (recovery !== null) narrator.line(`recovery     ${recoveryLine(recovery)}`);
  for (const { day, events: sent, quarantined } of door)
    narrator.line(
      `at the door  -90 <= delay <= 720 would have quarantined ${quarantined} of ${sent} arrivals of ${day}`,
    );
  narrator.line(`audit        entries ${audit.entries}   proved ${audit.proved ? 'yes' : 'NO'}`);
  narrator.line(
    `latency      p50 ${latencyMs.p50} ms   p99 ${latencyMs.p99} ms   at ${rates.predictionsPerSecond} predictions/s`,
  );
  narrator.line(
    `rates        ${rates.eventsPerSecond} events/s from file to features   first prediction after ${account.firstPredictionSeconds} s   all in ${account.seconds} s`,
  );
  narrator.line(
    `where to look next: npx millrace logs, npx millrace rollout history, npx millrace drift late-arrival, npx millrace audit verify; logs of every process in .millrace/logs`,
  );
}

function recoveryLine({ noticed, drift, trained, live, resolved, falseAlarms }: RecoveryTold): string {
  return [
    ...(drift === null ? [] : [`drift noticed after ${drift.hours} h`]),
    `harm noticed after ${noticed.hours} h and ${noticed.predictions} predictions (${noticed.features[0] ?? 'no feature'})`,
    ...(trained === null ? ['nothing trained'] : [`trained in ${trained.seconds.toFixed(1)} s`]),
    ...(live === null
      ? []
      : [`version ${live.version} live after ${live.hours} h and ${live.predictions} predictions`]),
    resolved ? 'alert resolved' : 'alert not resolved',
    `${falseAlarms} false alarms`,
  ].join('   ');
}
