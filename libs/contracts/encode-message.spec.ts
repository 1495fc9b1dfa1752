import { describe, expect, it } from '@jest/globals';
import { InferBatch } from './generated/millrace/worker/v1/worker.js';
import { encodeMessage } from './encode-message.js';

const batch = (bytes: number): InferBatch =>
  InferBatch.fromPartial({ batchId: 7, onnxSha256: 'ab', rows: 1, input: Buffer.alloc(bytes, 3) });

describe('the bytes of a message', () => {
  it.each([0, 1, 127, 128, 300, 70_000, 3_000_000])('are those of the generated code, with %d of data', (size) => {
    const expected = InferBatch.encode(batch(size)).finish();
    expect(encodeMessage(InferBatch, batch(size)).equals(expected)).toBe(true);
    expect(encodeMessage(InferBatch, batch(5)).equals(InferBatch.encode(batch(5)).finish())).toBe(true);
  });

  it('are not touched by the next message', () => {
    const first = encodeMessage(InferBatch, batch(50));
    encodeMessage(InferBatch, { ...batch(50), batchId: 99, input: Buffer.alloc(50, 9) });
    expect(InferBatch.decode(first)).toEqual(batch(50));
  });

  it('have nothing of a message that could not be encoded', () => {
    expect(() => encodeMessage(InferBatch, { ...batch(50), rows: -1 })).toThrow(/uint32|invalid/i);
    expect(InferBatch.decode(encodeMessage(InferBatch, batch(5)))).toEqual(batch(5));
  });
});
