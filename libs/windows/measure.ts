/** Fixed-point scale of measures whose expression is float64: millionths. Integer and boolean measures have scale 1. */
export const float64Scale = 1_000_000;

/**
 * A measure as the exact integer of 1/scale that accumulators add: sums of integers do not depend on order, sums of doubles do.
 * @param value what an expression gave: number, boolean, or null
 * @param scale 1 for integers and booleans, float64Scale for float64 (rounded half away from zero)
 * @returns an integer within +-2^53, or NaN for null
 * @throws RangeError for infinities, NaN, and what does not fit
 */
export function quantise(value: unknown, scale: number): number {
  if (value === null || value === undefined) return Number.NaN;
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number))
    throw new RangeError(`measure ${String(value)} is not a finite number`);
  // + 0 turns -0 into 0: the two have different bits and the same meaning.
  const scaled = scale === 1 ? number : Math.sign(number) * Math.floor(Math.abs(number) * scale + 0.5);
  if (!Number.isSafeInteger(scaled)) throw new RangeError(`measure ${number} x ${scale} is not an integer within 2^53`);
  return scaled + 0;
}
