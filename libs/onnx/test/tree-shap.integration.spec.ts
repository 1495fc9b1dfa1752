import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePython, ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import { marginOf } from '#libs/numeric/shapley/tree-ensemble.js';
import { TreeShap } from '#libs/numeric/shapley/tree-shap.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { float32View } from '#libs/tensors/tensor-codec.js';
import { readOnnxModel } from '../read-model.js';
import { readTreeModel } from '../tree-model.js';

const here = join(projectRoot(), 'libs/onnx/test');
const width = 8;
const folder = mkdtempSync(join(tmpdir(), 'millrace-shap-'));
const floats = (name: string) => float32View(readFileSync(join(folder, name)));
const treesOf = (name: string) => readTreeModel(readOnnxModel(readFileSync(join(folder, `${name}.onnx`))));

let shapPython: string;
beforeAll(async () => {
  const training = await ensureTrainingPython(() => undefined);
  shapPython = await ensurePython('python-shap', 'requirements-shap.lock', () => undefined);
  const runtime = join(projectRoot(), 'services/trainer/python');
  execFileSync(training, ['-W', 'ignore', join(here, 'make_models.py'), runtime, folder]);
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('explanations of what the trainer makes', () => {
  it.each(['binary', 'regression'])('equal those of SHAP itself, on the same LightGBM model and rows: %s', (task) => {
    const [background, rows] = [floats('background.f32'), floats('rows.f32')];
    const shap = new TreeShap(treesOf(`lightgbm-${task}`), background, width);
    const ours = shap.explain(rows);

    const output = join(folder, `${task}.f64`);
    const given = [`lightgbm-${task}.txt`, 'background.f32', 'rows.f32'].map((name) => join(folder, name));
    execFileSync(shapPython, ['-W', 'ignore', join(here, 'shap_oracle.py'), ...given, output]);
    const bytes = readFileSync(output);
    const theirs = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));

    expect(theirs).toHaveLength(1 + rows.length);
    // LightGBM's leaves are float64, those of its ONNX form float32: both differ by that much and no more.
    const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest).toBeGreaterThan(0.5);
    expect(Math.abs(shap.baseValue - theirs[0]!)).toBeLessThan(1e-6);
    for (let i = 0; i < ours.length; i++) expect(Math.abs(ours[i]! - theirs[i + 1]!)).toBeLessThan(1e-6);
  });

  it.each(['lightgbm-binary', 'lightgbm-regression', 'sklearn-hgb-binary', 'sklearn-hgb-regression'])(
    'add up to the margin of %s',
    (name) => {
      const [trees, rows] = [treesOf(name), floats('rows.f32')];
      const shap = new TreeShap(trees, floats('background.f32'), width);
      const contributions = shap.explain(rows);
      for (let from = 0; from < rows.length; from += width) {
        const sum = contributions.subarray(from, from + width).reduce((all, one) => all + one, shap.baseValue);
        expect(Math.abs(sum - marginOf(trees, rows, from))).toBeLessThan(1e-9);
      }
    },
  );

  it('are not those of trees where a model has none', () => {
    expect(() => treesOf('sklearn-logistic-binary')).toThrow('no output of the graph is that of a tree ensemble');
  });
});
