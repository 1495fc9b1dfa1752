import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePython } from '#deploy/local/launcher/training-python.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { token } from '#libs/testing/service-process.js';
import { type ExplainedBench, featureNames, startExplainedBench, width } from './explained-bench.js';

interface Got {
  readonly probability: number[];
  readonly contributions: number[][];
  readonly base_value: number[];
  readonly contribution_names: string[];
  readonly explained_by: string[];
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

let bench: ExplainedBench;
beforeAll(async () => {
  bench = await startExplainedBench();
}, 300_000);
afterAll(() => bench?.stop(), 60_000);

async function ask(
  model: string,
): Promise<Record<'grpc' | 'stream' | 'http' | 'json' | 'named' | 'plain', Got> & Record<'bare' | 'many', string>> {
  const python = await ensurePython('python-test', 'requirements-test.lock', () => undefined);
  const script = join(projectRoot(), 'deploy/local/launcher/test/clients/explain_client.py');
  const { grpcAddress, httpUrl } = bench.gateway;
  const rows = join(bench.folder, 'rows.f32');
  const args = [grpcAddress, httpUrl.slice('http://'.length), token, model, bench.bare, rows, String(width)];
  return JSON.parse((await promisify(execFile)(python, [script, ...args])).stdout) as Awaited<ReturnType<typeof ask>>;
}

async function shapOf(): Promise<Float64Array> {
  const python = await ensurePython('python-shap', 'requirements-shap.lock', () => undefined);
  const [script, output] = [join(projectRoot(), 'libs/onnx/test/shap_oracle.py'), join(bench.folder, 'shap.f64')];
  const files = ['lightgbm-binary.txt', 'background.f32', 'rows.f32'].map((name) => join(bench.folder, name));
  execFileSync(python, ['-W', 'ignore', script, ...files, output]);
  return new Float64Array(Uint8Array.from(readFileSync(output)).buffer);
}

describe('tritonclient asks why, unchanged', () => {
  it("is answered SHAP's own numbers, which add up to the score it gets, over gRPC, in a stream and over HTTP", async () => {
    const got = await ask(bench.trees);
    const { grpc } = got;
    expect(grpc.contribution_names).toEqual(featureNames);
    expect(new Set(grpc.explained_by)).toEqual(new Set(['tree-shap']));
    const shap = await shapOf();
    expect(grpc.contributions).toHaveLength(60);
    for (const [row, contributions] of grpc.contributions.entries()) {
      const margin = grpc.base_value[row]! + sum(contributions);
      expect(Math.abs(sigmoid(margin) - grpc.probability[row]!)).toBeLessThan(1e-6);
      expect(Math.abs(grpc.base_value[row]! - shap[0]!)).toBeLessThan(1e-6);
      for (const [i, one] of contributions.entries())
        expect(Math.abs(one - shap[1 + row * width + i]!)).toBeLessThan(1e-6);
    }
    const two = { contributions: grpc.contributions.slice(0, 2), base_value: grpc.base_value.slice(0, 2) };
    for (const way of ['stream', 'http', 'json', 'named'] as const) expect(got[way]).toMatchObject(two);
    expect(Object.keys(got.named)).toEqual(['probability', 'contributions', 'base_value']);
    expect(Object.keys(got.plain)).toEqual(['probability']);
    expect(got.bare).toMatch(/FAILED_PRECONDITION.*registered without background rows.*train a new version/);
    expect(got.many).toMatch(/INVALID_ARGUMENT.*101 rows.*at most 100/);
    await expect(bench.gateway.metric('millrace_inference_gateway_explained_total')).resolves.toBe(60 + 4 * 2);
  }, 600_000);

  it('of a model without trees is answered what adds up all the same', async () => {
    const { grpc, http } = await ask(bench.logistic);
    expect(new Set(grpc.explained_by)).toEqual(new Set(['permutation-shap']));
    for (const [row, contributions] of grpc.contributions.entries()) {
      const margin = grpc.base_value[row]! + sum(contributions);
      expect(Math.abs(sigmoid(margin) - grpc.probability[row]!)).toBeLessThan(1e-6);
    }
    expect(Math.max(...grpc.contributions.flat())).toBeGreaterThan(0.1);
    expect(http.contributions).toEqual(grpc.contributions.slice(0, 2)); // the same row, the same explanation
  }, 600_000);
});
