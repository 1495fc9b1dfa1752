import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ensurePython, ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { jensenShannon, ksOfHistograms, psi, wassersteinOfHistograms } from '../distances.js';
import { histogramOf, quantileEdges } from '../histogram.js';
import { ksOfSamples, wassersteinOfSamples } from '../two-sample.js';

interface Case {
  readonly reference: number[];
  readonly current: number[];
  readonly edges: number[];
}

/** Values by a seeded generator: uniform on [0, 1). */
function uniforms(seed: number, n: number): number[] {
  let state = seed;
  return Array.from({ length: n }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 4_294_967_296);
}

function caseOf(reference: number[], current: number[]): Case {
  return { reference, current, edges: [...quantileEdges(reference)] };
}

const cases: Record<string, Case> = {
  'uniform values that moved': caseOf(
    uniforms(1, 5_000),
    uniforms(2, 3_000).map((x) => x + 0.1),
  ),
  'a long tail': caseOf(
    uniforms(3, 4_000).map((x) => 1 / (x + 1e-3)),
    uniforms(4, 900).map((x) => 1 / (x + 2e-3)),
  ),
  'few whole numbers, with ties': caseOf(
    uniforms(5, 2_000).map((x) => Math.floor(6 * x)),
    uniforms(6, 700).map((x) => Math.floor(5 * x * x)),
  ),
  'samples that have nothing in common': caseOf(
    uniforms(7, 300),
    uniforms(8, 300).map((x) => x + 5),
  ),
  'an instant in milliseconds': caseOf(
    uniforms(9, 2_000).map((x) => 1e12 + Math.floor(x * 1e9)),
    uniforms(10, 2_000).map((x) => 1e12 + Math.floor(x * 1.1e9)),
  ),
};

/** As a histogram counts it: how many edges are not above the value. */
function binOf(edges: readonly number[], value: number): number {
  return edges.filter((edge) => edge <= value).length;
}

function deviationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

describe('drift statistics', () => {
  it("equal SciPy's, and Evidently's PSI, on the same rows", async () => {
    const python = await ensureTrainingPython(() => undefined);
    const script = join(projectRoot(), 'libs/numeric/drift/test/scipy_oracle.py');
    const input = JSON.stringify(Object.values(cases));
    const { stdout, stderr, status } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 1e8 });
    expect([status, stderr]).toEqual([0, '']);
    const oracle = JSON.parse(stdout) as Record<string, number>[];
    Object.entries(cases).forEach(([title, { reference, current, edges }], i) => {
      const [a, b] = [histogramOf(reference, edges), histogramOf(current, edges)];
      const found = {
        ks: ksOfSamples(reference, current),
        wasserstein: wassersteinOfSamples(reference, current),
        binnedWasserstein: wassersteinOfHistograms(a, b),
        js: jensenShannon(a.counts, b.counts),
        psi: psi(a.counts, b.counts),
      };
      for (const [statistic, value] of Object.entries(found)) {
        const expected = oracle[i]![statistic]!;
        const error = Math.abs(value - expected) / Math.max(1, Math.abs(expected));
        expect({ title, statistic, value, expected, within: error < 1e-6 }).toMatchObject({ within: true });
      }
      expect(ksOfHistograms(a, b)).toBeLessThanOrEqual(found.ks + 1e-12);
    });
  }, 300_000);

  it("equal Evidently's own, on the same rows", async () => {
    const python = await ensurePython('python-evidently', 'requirements-evidently.lock', () => undefined);
    const script = join(projectRoot(), 'libs/numeric/drift/test/evidently_oracle.py');
    const binned = Object.values(cases).map(({ reference, current, edges }) => ({
      reference,
      current,
      referenceBins: reference.map((value) => binOf(edges, value)),
      currentBins: current.map((value) => binOf(edges, value)),
    }));
    const input = JSON.stringify(binned);
    const env = { ...process.env, DO_NOT_TRACK: '1' };
    const { stdout, stderr, status } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 1e8, env });
    expect([status, stderr]).toEqual([0, '']);
    const oracle = JSON.parse(stdout) as Record<string, number>[];
    Object.entries(cases).forEach(([title, { reference, current, edges }], i) => {
      const [a, b] = [histogramOf(reference, edges), histogramOf(current, edges)];
      const found = {
        psi: psi(a.counts, b.counts),
        js: jensenShannon(a.counts, b.counts),
        wasserstein: wassersteinOfSamples(reference, current) / deviationOf(reference),
      };
      for (const [statistic, value] of Object.entries(found)) {
        const expected = oracle[i]![statistic]!;
        const error = Math.abs(value - expected) / Math.max(1, Math.abs(expected));
        expect({ title, statistic, value, expected, within: error < 1e-6 }).toMatchObject({ within: true });
      }
    });
  }, 600_000);
});
