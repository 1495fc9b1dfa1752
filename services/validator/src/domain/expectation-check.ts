import type { ColumnType, Expectation } from '#libs/definitions/definition-kinds.js';
import { timestampMs } from '#libs/definitions/timestamp.js';
import { type Reason, shown } from './column-check.js';

export type RowCheck = (row: Readonly<Record<string, unknown>>) => Reason | undefined;

/** A row expectation under its Great Expectations name. As there, null passes everything but expect_column_values_to_not_be_null. */
export function compileExpectation(
  { name, arguments: given }: Expectation,
  types: Readonly<Record<string, ColumnType>>,
): RowCheck {
  const column = String(given['column'] ?? given['column_A'] ?? '');
  const fail = (row: Readonly<Record<string, unknown>>, right: string): Reason => ({
    code: name,
    column,
    message: `${column} is ${shown(row[column])}, ${right}`,
  });
  switch (name) {
    case 'expect_column_values_to_not_be_null':
      return (row) => (row[column] === null ? fail(row, 'it must not be null') : undefined);
    case 'expect_column_values_to_be_between':
      return onValue(column, between(given), `${range(given)} is right`, fail);
    case 'expect_column_value_lengths_to_be_between': {
      const within = between(given);
      return onValue(
        column,
        (value) => within([...String(value)].length),
        `a length of ${range(given)} is right`,
        fail,
      );
    }
    case 'expect_column_values_to_be_in_set': {
      const values = (given['value_set'] ?? []) as unknown[];
      const set = new Set(types[column] === 'timestamp' ? values.map(timestampMs) : values);
      return onValue(column, (value) => set.has(value), `one of ${values.slice(0, 20).join(', ')} is right`, fail);
    }
    case 'expect_column_values_to_match_regex': {
      const regex = new RegExp(String(given['regex']), 'u');
      return onValue(column, (value) => regex.test(String(value)), `it must match ${regex.source}`, fail);
    }
    case 'expect_column_pair_values_a_to_be_greater_than_b':
      return onPair(given, (a, b) => (given['or_equal'] === true ? a >= b : a > b), 'greater than', fail);
    case 'expect_column_pair_values_a_to_be_not_equal_to_b':
      return onPair(given, (a, b) => a !== b, 'other than', fail);
    default:
      throw new Error(`expectation ${name} is not evaluated`); // apply has refused it
  }
}

type Fail = (row: Readonly<Record<string, unknown>>, right: string) => Reason;

function onValue(column: string, holds: (value: unknown) => boolean, right: string, fail: Fail): RowCheck {
  return (row) => {
    const value = row[column];
    return value === null || holds(value) ? undefined : fail(row, right);
  };
}

function onPair(
  given: Expectation['arguments'],
  holds: (a: string | number, b: string | number) => boolean,
  relation: string,
  fail: Fail,
): RowCheck {
  const [columnA, columnB] = [String(given['column_A']), String(given['column_B'])];
  return (row) => {
    const [a, b] = [row[columnA], row[columnB]];
    if (a === null || b === null || holds(a as number, b as number)) return undefined;
    return fail(row, `it must be ${relation} ${columnB} (${shown(b)})`);
  };
}

function between(given: Expectation['arguments']): (value: unknown) => boolean {
  const [min, max] = [boundOf(given['min_value']), boundOf(given['max_value'])];
  const { strict_min: strictMin, strict_max: strictMax } = given;
  return (value) => {
    const number = value as number;
    if (min !== undefined && (strictMin === true ? number <= min : number < min)) return false;
    return !(max !== undefined && (strictMax === true ? number >= max : number > max));
  };
}

/** Text is the bound of a timestamp. */
function boundOf(given: unknown): number | undefined {
  return typeof given === 'string' ? timestampMs(given) : (given as number | undefined);
}

function range(given: Expectation['arguments']): string {
  return `${shown(given['min_value'] ?? '-∞')} to ${shown(given['max_value'] ?? '∞')}`.replaceAll('"', '');
}
