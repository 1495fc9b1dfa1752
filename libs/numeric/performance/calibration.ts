/** Where a score of the validation rows was, and how often its rows turned out 1; millrace.monitor.v1.CalibrationBin. */
export interface CalibrationBin {
  /** 0..1; ascending from bin to bin. */
  readonly meanScore: number;
  /** 0..1; never falling from bin to bin. */
  readonly meanLabel: number;
  readonly rows: number;
}

/** Scores with the chance of class 1 that they stand for, 0..1. */
export interface CalibratedRows {
  readonly scores: Float64Array;
  readonly probabilities: Float64Array;
  /**
   * What the calibration itself, made of finitely many rows, adds to the variance of a figure (delta method: bins are independent shares).
   * @param gradient of the figure, by each row's probability
   */
  variance(gradient: ArrayLike<number>): number;
}

/**
 * The chance of class 1 by score: straight lines between the bins' means, flat beyond the first and the last, as scikit-learn's IsotonicRegression with `clip`, which NannyML's
 * CBPE takes, interpolates. No scores give no rows.
 * @param scores 0..1
 * @param calibrations bins, at least one each
 * @param of each score's place in `calibrations`: several versions may have answered
 */
export function calibrate(
  scores: Float64Array,
  calibrations: readonly (readonly CalibrationBin[])[],
  of: ArrayLike<number>,
): CalibratedRows {
  // Of each row the bin below it, and how far it is on the way to the next one.
  const below = new Uint16Array(scores.length);
  const way = new Float64Array(scores.length);
  const probabilities = new Float64Array(scores.length);
  for (let i = 0; i < scores.length; i += 1) {
    const bins = calibrations[of[i]!]!;
    const at = place(bins, scores[i]!);
    const [left, right] = [bins[at]!, bins[at + 1] ?? bins[at]!];
    const width = right.meanScore - left.meanScore;
    below[i] = at;
    way[i] = width > 0 ? Math.min(1, Math.max(0, (scores[i]! - left.meanScore) / width)) : 0;
    probabilities[i] = left.meanLabel + way[i]! * (right.meanLabel - left.meanLabel);
  }
  const variance = (gradient: ArrayLike<number>): number => {
    const pulls = calibrations.map(({ length }) => new Float64Array(length + 1));
    for (let i = 0; i < scores.length; i += 1) {
      const pull = pulls[of[i]!]!;
      pull[below[i]!]! += gradient[i]! * (1 - way[i]!);
      pull[below[i]! + 1]! += gradient[i]! * way[i]!;
    }
    return pulls.reduce(
      (sum, pull, which) =>
        calibrations[which]!.reduce((part, bin, k) => part + pull[k]! ** 2 * shareVariance(bin), sum),
      0,
    );
  };
  return { scores, probabilities, variance };
}

/** The last bin whose mean score is not above the score; the first where all are. */
function place(bins: readonly CalibrationBin[], score: number): number {
  let [low, high] = [0, bins.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bins[middle]!.meanScore <= score) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** With a success and a failure more (Agresti and Coull 1998): a bin that had none of one kind is not sure of it. */
function shareVariance({ meanLabel, rows }: CalibrationBin): number {
  const share = (meanLabel * rows + 1) / (rows + 2);
  return (share * (1 - share)) / (rows + 2);
}
