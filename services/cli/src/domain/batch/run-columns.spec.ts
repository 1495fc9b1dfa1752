import { describe, expect, it } from '@jest/globals';
import type { EndpointInputs } from './endpoint-inputs.js';
import { runColumns } from './run-columns.js';

const inputs: EndpointInputs = {
  columns: [
    { name: 'id', datatype: 'BYTES', optional: false },
    { name: 'minute', datatype: 'INT32', optional: false },
    { name: 'at', datatype: 'INT64', optional: true },
  ],
  score: 'probability',
};
const names = (header: string[], keep?: string[]) => {
  const { sent, vectors, kept } = runColumns('late', inputs, header, keep);
  return { sent: sent.map(({ name }) => name), vectors, kept };
};

describe('columns of a run', () => {
  it('are sent where the endpoint takes them, and kept all', () => {
    expect(names(['note', 'minute', 'id'])).toEqual({
      sent: ['id', 'minute'],
      vectors: false,
      kept: ['note', 'minute', 'id'],
    });
    expect(names(['minute', 'id', 'at'], ['id'])).toEqual({
      sent: ['id', 'minute', 'at'],
      vectors: false,
      kept: ['id'],
    });
  });

  it('with vectors are the keys beside them, and vectors are not kept', () => {
    expect(names(['features', 'id'])).toEqual({ sent: ['id'], vectors: true, kept: ['id'] });
  });

  it('of no rows are none', () => {
    expect(names([])).toEqual({ sent: [], vectors: false, kept: [] });
    expect(names([], ['id'])).toEqual({ sent: [], vectors: false, kept: ['id'] });
  });

  it.each<[string[], string[] | undefined, string]>([
    [['id'], undefined, 'the input has no column "minute", which endpoint late takes; it has id'],
    [['id', 'minute', 'id'], undefined, 'the input has the column "id" twice'],
    [['id', 'minute', 'probability'], undefined, `the input's column "probability" would stand twice in the output`],
    [['id', 'minute'], ['origin'], '--keep "origin": the input has no such column; it has id, minute'],
  ])('%p, kept %p, are refused', (header, keep, words) => {
    expect(() => names(header, keep)).toThrow(words);
  });
});
