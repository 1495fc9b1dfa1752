import { auc } from '#libs/numeric/auc.js';
import { type Estimate, wilson } from '#libs/numeric/estimate.js';
import { brier, ece, logloss } from '#libs/numeric/probability-scores.js';

/** Metrics of a binary model on its labelled predictions; none without labels. @param labels 0 or 1 */
export function binaryPerformance(scores: Float64Array, labels: Float64Array): Record<string, Estimate> {
  if (labels.length === 0) return {};
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const all = {
    auc: auc(scores, labels),
    logloss: logloss(scores, labels),
    brier: brier(scores, labels),
    ece: ece(scores, labels),
    base_rate: wilson(positives, labels.length),
  };
  return Object.fromEntries(Object.entries(all).filter(([, { value }]) => !Number.isNaN(value)));
}
