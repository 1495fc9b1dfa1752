import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { NoTrees } from '../numeric/shapley/tree-ensemble.js';
import { projectRoot } from '../storage/sql-file.js';
import { generator } from '../numeric/generator.js';
import { OnnxUnreadable, readOnnxModel } from './read-model.js';
import { readTreeModel } from './tree-model.js';

const fixture = readFileSync(join(projectRoot(), 'services/inference-worker/test/fixtures/binary.onnx'));

describe('readOnnxModel', () => {
  it('reads nodes, names and constants', () => {
    const model = readOnnxModel(fixture);
    expect(model.nodes.map(({ opType }) => opType)).toEqual(['MatMul', 'Sigmoid', 'Sub', 'Concat']);
    expect([model.inputs, model.outputs]).toEqual([['input'], ['probabilities']]);
    expect(model.constants.get('weights')).toMatchObject({ dims: [3, 1], values: Float32Array.from([0.5, -1, 2]) });
    expect(model.nodes[3]!.attributes.get('axis')?.int).toBe(1);
    expect(() => readTreeModel(model)).toThrow(NoTrees);
  });

  it('says of what is no model that it is none', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('not a model'), fixture.subarray(0, 200)])
      expect(() => readOnnxModel(bytes)).toThrow(OnnxUnreadable);
  });

  it('throws nothing else whichever bits are wrong', () => {
    const random = generator(7);
    let read = 0;
    for (let i = 0; i < 2_000; i++) {
      const bytes = Buffer.from(fixture);
      for (let flips = 0; flips < 3; flips++)
        bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
      try {
        readTreeModel(readOnnxModel(bytes));
      } catch (error) {
        expect(error instanceof OnnxUnreadable || error instanceof NoTrees).toBe(true);
        if (error instanceof NoTrees) read += 1;
      }
    }
    expect(read).toBeGreaterThan(200);
  });
});
