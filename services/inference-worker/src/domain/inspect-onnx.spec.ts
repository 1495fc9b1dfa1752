import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { projectRoot } from '#libs/storage/sql-file.js';
import { goodModel, unreadable } from '../../test/hostile-models.js';
import { inspectOnnx } from './inspect-onnx.js';
import { ModelRefused } from './onnx-wire.js';

const fixtures = join(projectRoot(), 'services/inference-worker/test/fixtures');

describe('inspectOnnx', () => {
  it.each(readdirSync(fixtures).filter((name) => name.endsWith('.onnx')))('takes %s', (name) => {
    expect(() => inspectOnnx(readFileSync(join(fixtures, name)))).not.toThrow();
  });

  it.each(unreadable)('refuses a model that %s', (_, words, bytes) => {
    expect(() => inspectOnnx(bytes())).toThrow(words);
  });

  it('refuses in words, or takes, whatever a flipped byte makes of a model', () => {
    const good = goodModel();
    inspectOnnx(good);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const flipped = Buffer.from(good);
        flipped[at] = byte;
        try {
          inspectOnnx(flipped);
        } catch (error) {
          expect(error).toBeInstanceOf(ModelRefused);
        }
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });
});
