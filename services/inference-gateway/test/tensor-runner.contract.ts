import { beforeAll, describe, expect, it } from '@jest/globals';
import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { elementsOfRaw, type RawTensor } from '#libs/tensors/raw-tensor.js';
import type { TensorRunner } from '../src/domain/tensor-ports.js';
import { mixed, two } from './fake-tensors.js';

export const mixedTensors: readonly RawTensor[] = two.inputs.map((input, i) => ({
  ...input,
  data: two.rawInputContents[i]!,
}));

/** What every TensorRunner does with a version of the mixed model of the worker's fixtures. */
export function tensorRunnerContract(
  name: string,
  make: () => Promise<{ readonly runner: TensorRunner; readonly version: ModelVersion }>,
): void {
  describe(`${name} is a TensorRunner`, () => {
    let made: Awaited<ReturnType<typeof make>>;
    beforeAll(async () => {
      made = await make();
    }, 60_000);
    const run = (outputs: string[], tensors = mixedTensors) =>
      made.runner.run({ version: made.version, tensors, outputs, lane: 'live', trace: undefined });

    it('says what the model takes and gives', async () => {
      expect(await made.runner.prepare(made.version)).toEqual(mixed);
    });

    it('gives the outputs that are asked for, in that order', async () => {
      const given = await run(['kept', 'total']);
      expect(given.map((output) => [output.name, output.datatype, [...output.shape], elementsOfRaw(output)])).toEqual([
        ['kept', 'INT64', [2], [4, 0]],
        ['total', 'FP64', [2], [2, 10]],
      ]);
    });

    it('gives all where none is named', async () => {
      expect((await run([])).map((output) => output.name).toSorted()).toEqual(['kept', 'total']);
    });

    it("says that it is the caller's fault where an input is missing", async () => {
      await expect(run([], mixedTensors.slice(0, 2))).rejects.toMatchObject({ code: 'invalid-argument' });
    });
  });
}
