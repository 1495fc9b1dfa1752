import { ApiError } from './api.js';

/** What a person typed, as a column of this type; '' = null. @throws ApiError naming the column */
export function readCell(name: string, type: string, text: string): string | number | boolean | null {
  const given = text.trim();
  if (given === '') return null;
  if (type === 'string') return given;
  if (type === 'bool') {
    if (given !== 'true' && given !== 'false') throw wrong(name, given, 'true or false');
    return given === 'true';
  }
  if (type === 'timestamp') {
    const ms = /^\d+$/.test(given) ? Number(given) : Date.parse(given);
    if (!Number.isSafeInteger(ms))
      throw wrong(name, given, 'an instant like 2001-06-20T12:00:00Z, or epoch milliseconds');
    return ms;
  }
  const value = Number(given);
  if (!Number.isFinite(value) || (type !== 'float64' && !Number.isSafeInteger(value)))
    throw wrong(name, given, type === 'float64' ? 'a number' : 'a whole number');
  return value;
}

function wrong(name: string, given: string, wanted: string): ApiError {
  return new ApiError('invalid-argument', `${name}: "${given}" is not ${wanted}`);
}
