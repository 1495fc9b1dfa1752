import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Tensor } from '#libs/tensors/tensor-codec.js';
import type { InputColumn } from './endpoint-plan.js';

type NumericType = Exclude<InputColumn['type'], 'string'>;

const limits: Record<Exclude<NumericType, 'float64'>, readonly [min: number, max: number]> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  bool: [0, 1],
  timestamp: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** Whether a numeric datatype can hold a column's values: every one but BOOL holds numbers, and a bool comes as BOOL or as 0 and 1. */
export function holdsNumbers(type: InputColumn['type'], datatype: string): boolean {
  return type !== 'string' && datatype !== 'BYTES' && (datatype !== 'BOOL' || type === 'bool');
}

/**
 * A number of another datatype than the column's own, where it is exactly one of the column's: 7.0 is a 7, 7.5 is none.
 * @returns null where a float64 is NaN or infinite
 * @throws MillraceError invalid-argument naming the input, the element and what it takes
 */
export function exactly(type: NumericType, value: number, { name, datatype }: Tensor, i: number): number | null {
  if (type === 'float64') return Number.isFinite(value) ? value : null;
  const [min, max] = limits[type];
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new MillraceError(
    'invalid-argument',
    `input '${name}': element ${i} is ${value} of ${datatype}, and the column's type ${type} takes integers from ${min} to ${max}`,
  );
}

/**
 * float32 of any numeric datatype, where each is exact; FP32 that came raw is not copied.
 * @throws MillraceError invalid-argument naming the first that is not
 */
export function exactFloats({ name, datatype, values }: Tensor): Float32Array {
  if (datatype === 'FP32' && values instanceof Float32Array) return values;
  const floats = Float32Array.from(values as ArrayLike<number>);
  if (datatype === 'FP32' || datatype === 'FP16' || datatype === 'BF16') return floats;
  for (let i = 0; i < floats.length; i++)
    if (floats[i] !== values[i] && !Number.isNaN(values[i]))
      throw new MillraceError(
        'invalid-argument',
        `input '${name}': element ${i} is ${values[i]} of ${datatype}, which FP32 does not hold exactly; send FP32`,
      );
  return floats;
}
