import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import type { Estimate } from '#libs/numeric/estimate.js';
import { generator } from '#libs/numeric/generator.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { calibrate, type CalibrationBin } from '../calibration.js';
import { conceptDrift } from '../concept.js';
import { estimatedPerformance } from '../estimated.js';

interface Case {
  readonly scores: number[];
  readonly labels: number[];
  readonly bins: CalibrationBin[];
}

function caseOf(seed: number, n: number, scoreOf: (u: number) => number, shares: readonly number[]): Case {
  const random = generator(seed);
  const scores = Array.from({ length: n }, () => scoreOf(random()));
  return {
    scores,
    labels: scores.map((score) => (random() < 0.7 * score + 0.1 ? 1 : 0)),
    bins: shares.map((meanLabel, k) => ({
      meanScore: (k + 0.5) / shares.length,
      meanLabel,
      rows: 50 + 17 * k,
    })),
  };
}

const rising = Array.from({ length: 9 }, (_, k) => 0.05 + 0.1 * k);
const cases: Record<string, Case> = {
  'scores of every kind': caseOf(1, 700, (u) => u * u, rising),
  'many equal scores': caseOf(2, 500, (u) => Math.round(u * 8) / 8, rising),
  'shares close to 0 and 1': caseOf(3, 400, (u) => u, [0.001, 0.2, 0.6, 0.999]),
  'a single bin': caseOf(4, 300, (u) => 0.2 + u / 2, [0.3]),
};

describe('estimated performance and concept drift', () => {
  it("equal scikit-learn's weighted metrics, with intervals by all pairs and central differences, on the same rows", async () => {
    const python = await ensureTrainingPython(() => undefined);
    const script = join(projectRoot(), 'libs/numeric/performance/test/cbpe_oracle.py');
    const input = JSON.stringify(Object.values(cases));
    const { stdout, stderr, status } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 1e8 });
    expect([status, stderr]).toEqual([0, '']);
    const oracle = JSON.parse(stdout) as Record<string, { value: number; half: number }>[];
    Object.entries(cases).forEach(([title, { scores, labels, bins }], i) => {
      const rows = calibrate(Float64Array.from(scores), [bins], new Uint8Array(scores.length));
      const found: Record<string, Estimate> = { ...estimatedPerformance(rows), concept: conceptDrift(rows, labels)! };
      expect(Object.keys(found).sort()).toEqual(Object.keys(oracle[i]!).sort());
      for (const [name, { value, low, high }] of Object.entries(found)) {
        const expected = oracle[i]![name]!;
        // An interval that is cut at 0 or 1 has one whole side.
        const half = Math.max(value - low, high - value);
        const within = Math.abs(value - expected.value) < 1e-6 && Math.abs(half - expected.half) < 1e-6;
        expect({ title, name, value, half, expected, within }).toMatchObject({ within: true });
      }
    });
  }, 300_000);
});
