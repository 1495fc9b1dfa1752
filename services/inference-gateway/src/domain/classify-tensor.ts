import { elementsOfRaw, type RawTensor } from '#libs/tensors/raw-tensor.js';
import type { OutputTensor } from './answer.js';

/**
 * Triton's classification extension over a model's own numbers: BYTES [batch, k] of `value:index`, the largest first, ties by index. The first of two or more dimensions is the
 * batch's; an output of one is one item. Floating point has six decimals, as Triton writes it. NaN ranks last.
 * @param classes 1 or more; more than there are gives what there are
 */
export function classifyTensor(output: RawTensor, classes: number): OutputTensor {
  const { name, datatype, shape } = output;
  const all = elementsOfRaw(output).map(Number);
  const batch = shape.length > 1 ? shape[0]! : 1;
  const width = batch === 0 ? 0 : all.length / batch;
  const k = Math.min(classes, width);
  const isFloat = datatype.startsWith('FP') || datatype === 'BF16';
  const values: string[] = [];
  for (let row = 0; row < batch; row++) {
    const ranked = Array.from({ length: width }, (_, i) => i).sort(
      (a, b) => rank(all[row * width + b]!) - rank(all[row * width + a]!) || a - b,
    );
    for (const i of ranked.slice(0, k)) {
      const value = all[row * width + i]!;
      values.push(`${isFloat ? value.toFixed(6) : value}:${i}`);
    }
  }
  return { name, datatype: 'BYTES', shape: shape.length > 1 ? [batch, k] : [k], values };
}

/** Finite, so that differences order them. */
function rank(value: number): number {
  if (Number.isNaN(value)) return -Number.MAX_VALUE;
  return Math.max(-Number.MAX_VALUE / 2, Math.min(Number.MAX_VALUE / 2, value));
}
