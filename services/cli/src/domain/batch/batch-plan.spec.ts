import { expect, it } from '@jest/globals';
import { type BatchOrder, differencesOfOrders, differencesOfPlans } from './batch-plan.js';

const order: BatchOrder = {
  endpoint: 'late',
  version: '',
  input: { path: '/in.csv', format: 'csv' },
  output: { path: '/out.csv', format: 'csv' },
  rowsPerRequest: 250,
};
const plan = {
  inputs: { columns: [{ name: 'id', datatype: 'BYTES', optional: false }], score: 'probability' },
  inputSha256: 'a',
} as const;

it('a run goes on with the same order, and with nothing else', () => {
  expect(differencesOfOrders(order, structuredClone(order))).toEqual([]);
  const others: Partial<BatchOrder>[] = [
    { endpoint: 'early' },
    { version: '2' },
    { input: { query: 'SELECT 1' } },
    { output: { table: 'a.b' } },
    { keep: ['id'] },
    { rowsPerRequest: 100 },
  ];
  for (const other of others) expect(differencesOfOrders(order, { ...order, ...other })).toHaveLength(1);
  expect(differencesOfOrders(order, { ...order, rowsPerRequest: 100 })).toEqual([
    'rows per request: 250 before, 100 now',
  ]);
});

it('and with the same rows and the same endpoint', () => {
  expect(differencesOfPlans(plan, structuredClone(plan))).toEqual([]);
  expect(differencesOfPlans(plan, { ...plan, inputSha256: 'b' })).toEqual([`the input's SHA-256: "a" before, "b" now`]);
  expect(differencesOfPlans(plan, { ...plan, inputs: { columns: [], score: 'probability' } })).toHaveLength(1);
});
