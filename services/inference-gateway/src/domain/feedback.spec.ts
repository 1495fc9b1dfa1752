import { expect, it } from '@jest/globals';
import { readFeedback } from './feedback.js';

const id = '0a1b2c3d4e5f-17-0';
const item = (more: object) => ({ predictionId: id, comment: '', ...more });

it('takes a label, a score or words, and says who gave them and when', () => {
  const items = [item({ label: 1 }), item({ score: -0.5 }), item({ comment: 'it was on time' })];
  const about = { predictionId: id, caller: 'shop', givenAtMs: 7 };
  expect(readFeedback(items, 'shop', 7)).toEqual([
    { ...about, label: 1, score: Number.NaN, comment: '' },
    { ...about, label: Number.NaN, score: -0.5, comment: '' },
    { ...about, label: Number.NaN, score: Number.NaN, comment: 'it was on time' },
  ]);
});

it.each([
  ['items: 0 of them', []],
  ['items: 1001 of them', Array.from({ length: 1_001 }, () => item({ label: 1 }))],
  [
    'items[1].prediction_id: "flight 7" is no id of a prediction',
    [item({ label: 1 }), item({ predictionId: 'flight 7', label: 1 })],
  ],
  ['items[0].prediction_id: "" is no id', [item({ predictionId: '', label: 1 })]],
  [`items[0].prediction_id: "${'x'.repeat(50)}`, [item({ predictionId: 'x'.repeat(5_000), label: 1 })]],
  ['items[0].label: NaN is not a number', [item({ label: Number.NaN })]],
  ['items[0].score: Infinity is not a number', [item({ score: Number.POSITIVE_INFINITY })]],
  ['items[0].comment: 2001 characters, at most 2000', [item({ comment: 'x'.repeat(2_001) })]],
  ['items[0]: it says nothing', [item({})]],
])('refuses, in words: %s', (words, items) => {
  expect(() => readFeedback(items, 'shop', 7)).toThrow(words);
  expect(() => readFeedback(items, 'shop', 7)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
});
