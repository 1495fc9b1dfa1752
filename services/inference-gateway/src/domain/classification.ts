import type { OutputTensor } from './answer.js';

/**
 * Triton's classification extension: BYTES [rows, k] of `score:index`, the most probable first; ties by index. A binary model's classes are 0 and 1, of which the
 * score is class 1's probability; a regression's value is its only class. Scores have six decimals, as Triton writes them. Labels are not known here.
 * @param scores float32 [rows]
 * @param classes 1 or more; more than there are gives what there are
 */
export function classify(task: string, name: string, scores: Float32Array, classes: number): OutputTensor {
  const binary = task === 'binary';
  const k = Math.min(classes, binary ? 2 : 1);
  const values: string[] = [];
  for (const score of scores) {
    const ranked = binary ? ranking(score) : [entry(score, 0)];
    for (let i = 0; i < k; i++) values.push(ranked[i]!);
  }
  return { name, datatype: 'BYTES', shape: [scores.length, k], values };
}

function ranking(score: number): readonly string[] {
  const classes = [entry(Math.fround(1 - score), 0), entry(score, 1)];
  return score > 0.5 ? classes.reverse() : classes;
}

function entry(score: number, index: number): string {
  return `${score.toFixed(6)}:${index}`;
}
