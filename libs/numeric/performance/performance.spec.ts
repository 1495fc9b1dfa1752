import { describe, expect, it } from '@jest/globals';
import { auc } from '../auc.js';
import { generator } from '../generator.js';
import { brier, logloss } from '../probability-scores.js';
import { calibrate, type CalibrationBin } from './calibration.js';
import { conceptDrift } from './concept.js';
import { estimatedPerformance } from './estimated.js';

const bins = [
  { meanScore: 0.2, meanLabel: 0.1, rows: 100 },
  { meanScore: 0.6, meanLabel: 0.5, rows: 100 },
];
const one = (scores: number[], of = bins) => calibrate(Float64Array.from(scores), [of], new Uint8Array(scores.length));

/** A model that says q where the truth is chance(q); its validation rows, in fifty bins. */
function world(seed: number, chance: (score: number) => number) {
  const random = generator(seed);
  const draw = (n: number, truth = chance) => {
    const scores = Float64Array.from({ length: n }, () => random() ** 2);
    return { scores, labels: scores.map((score) => (random() < truth(score) ? 1 : 0)) };
  };
  const calibration = (n: number): CalibrationBin[] => {
    const { scores, labels } = draw(n);
    const order = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);
    return Array.from({ length: 50 }, (_, k) => {
      const rows = order.slice((k * n) / 50, ((k + 1) * n) / 50);
      const mean = (of: Float64Array): number => rows.reduce((sum, row) => sum + of[row]!, 0) / rows.length;
      return { meanScore: mean(scores), meanLabel: mean(labels), rows: rows.length };
    });
  };
  return { draw, calibration };
}

describe('calibrated scores', () => {
  it('are on straight lines between the bins, and flat beyond them', () => {
    expect([...one([0, 0.2, 0.3, 0.6, 1]).probabilities].map((p) => p.toFixed(6))).toEqual(
      [0.1, 0.1, 0.2, 0.5, 0.5].map((p) => p.toFixed(6)),
    );
    expect([...one([0.7], [bins[0]!]).probabilities]).toEqual([0.1]);
  });

  it('of several versions are each by its own', () => {
    const rows = calibrate(Float64Array.of(0.5, 0.5), [[bins[0]!], [bins[1]!]], [1, 0]);
    expect([...rows.probabilities]).toEqual([0.5, 0.1]);
  });

  it('of nothing say nothing', () => {
    expect(estimatedPerformance(one([]))).toEqual({});
    expect(conceptDrift(one([0.3]), [1])).toBeUndefined();
  });
});

describe('estimated performance', () => {
  it('with chances that are sure is the realised one', () => {
    const { scores, labels } = world(1, (score) => score).draw(400);
    const sure = [0, 1].map((label) => [{ meanScore: 0.5, meanLabel: label, rows: 1_000 }]);
    const found = estimatedPerformance(calibrate(scores, sure, labels));
    expect(found.auc!.value).toBeCloseTo(auc(scores, labels).value, 10);
    expect(found.logloss!.value).toBeCloseTo(logloss(scores, labels).value, 10);
    expect(found.brier!.value).toBeCloseTo(brier(scores, labels).value, 10);
  });

  it('has an interval that holds what came true in about 95 of 100 windows, of a model that is off too', () => {
    const inside = { auc: 0, logloss: 0, brier: 0, base_rate: 0 };
    const off = (score: number): number => 0.1 + 0.6 * score;
    // What the metrics of the whole world are.
    const all = world(9, off).draw(200_000);
    const truth = {
      auc: auc(all.scores, all.labels).value,
      logloss: logloss(all.scores, all.labels).value,
      brier: brier(all.scores, all.labels).value,
      base_rate: all.labels.reduce((sum, label) => sum + label, 0) / all.labels.length,
    };
    for (let round = 0; round < 200; round += 1) {
      const { draw, calibration } = world(100 + round, off);
      const found = estimatedPerformance(calibrate(draw(500).scores, [calibration(2_500)], new Uint8Array(500)));
      for (const name of ['auc', 'logloss', 'brier', 'base_rate'] as const)
        if (found[name]!.low <= truth[name] && truth[name] <= found[name]!.high) inside[name] += 1;
    }
    // Of 200 at 95 %, fewer than 180 are seen once in a thousand. Above, it may be: labels are drawn in the interval, not in the value.
    for (const name of ['auc', 'logloss', 'brier', 'base_rate'] as const) expect(inside[name]).toBeGreaterThan(180);
  });
});

describe('concept drift', () => {
  const same = (score: number): number => score;
  const found = (seed: number, truth: (score: number) => number) => {
    const { draw, calibration } = world(seed, same);
    const bins = calibration(5_000);
    const { scores, labels } = draw(1_000, truth);
    return conceptDrift(calibrate(scores, [bins], new Uint8Array(1_000)), labels)!;
  };

  it('is surely above 0 once scores mean less than they did, and about the difference of the log-losses', () => {
    const { value, low } = found(5, (score) => 0.3 + 0.2 * score);
    expect(low).toBeGreaterThan(0.1);
    expect(value).toBeLessThan(1.5);
  });

  it('is not above 0 where only the scores have moved, in about 97 of 100 windows', () => {
    let above = 0;
    for (let round = 0; round < 200; round += 1) if (found(300 + round, same).low > 0) above += 1;
    expect(above).toBeLessThan(15); // of 200 at 2.5 %: more is seen once in ten thousand
  });
});
