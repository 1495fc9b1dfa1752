/** @jest-environment ./services/inference-worker/test/onnx-environment.mjs */
import { expect, it } from '@jest/globals';
import { loadSettings } from '#libs/config/settings.js';
import { inferenceWorkerSettings } from '../inference-worker.settings.js';
import { assertProviders } from './execution-providers.js';

const { EXECUTION_PROVIDERS } = inferenceWorkerSettings;
const read = (env: Record<string, string>) => loadSettings({ EXECUTION_PROVIDERS }, env).EXECUTION_PROVIDERS;

it('the processor is there; a provider that is not is refused by its name, with those that are installed', async () => {
  await assertProviders(['cpu']);
  // Known to onnxruntime by name and in no package that we install.
  await expect(assertProviders(['cpu', 'tensorrt'])).rejects.toMatchObject({
    code: 'failed-precondition',
    message: expect.stringMatching(/^EXECUTION_PROVIDERS: "tensorrt" does not work here: .*that is installed has cpu/s),
  });
});

it('providers are a list of those that are known, the preferred first', () => {
  expect(read({})).toEqual(['cpu']);
  expect(read({ EXECUTION_PROVIDERS: 'cuda, cpu' })).toEqual(['cuda', 'cpu']);
  expect(() => read({ EXECUTION_PROVIDERS: 'gpu' })).toThrow(/EXECUTION_PROVIDERS/);
  expect(() => read({ EXECUTION_PROVIDERS: '' })).toThrow(/EXECUTION_PROVIDERS/);
});
