import type { Features } from './ports.js';

const unseen: Features['snapshot'] = [];

/** Vectors that a caller gave whole, one a row: views of `given`, float32 [rows, features]. @param asOfMs the instant of a row */
export function vectorsOf(given: Float32Array, rows: number, asOfMs: (row: number) => number): Features[] {
  const width = given.length / rows;
  return Array.from({ length: rows }, (_, i) => ({
    values: given.subarray(i * width, (i + 1) * width),
    asOfMs: asOfMs(i),
    snapshot: unseen,
  }));
}
