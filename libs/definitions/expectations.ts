/** What an argument takes. bound = a number, or for a column of timestamps RFC 3339; values = a list of what the column holds. */
export type ArgumentType =
  'number column' | 'string column' | 'column' | 'bound' | 'length' | 'flag' | 'regex' | 'values';

export interface Expectation {
  readonly arguments: Readonly<Record<string, ArgumentType>>;
  /** Each of these groups needs one of its arguments. */
  readonly needs: readonly (readonly string[])[];
}

/** Row expectations that are evaluated, under their Great Expectations names and arguments. */
export const expectations: Readonly<Record<string, Expectation>> = {
  expect_column_values_to_be_between: {
    arguments: {
      column: 'number column',
      min_value: 'bound',
      max_value: 'bound',
      strict_min: 'flag',
      strict_max: 'flag',
    },
    needs: [['column'], ['min_value', 'max_value']],
  },
  expect_column_values_to_not_be_null: { arguments: { column: 'column' }, needs: [['column']] },
  expect_column_values_to_be_in_set: {
    arguments: { column: 'column', value_set: 'values' },
    needs: [['column'], ['value_set']],
  },
  expect_column_values_to_match_regex: {
    arguments: { column: 'string column', regex: 'regex' },
    needs: [['column'], ['regex']],
  },
  expect_column_value_lengths_to_be_between: {
    arguments: { column: 'string column', min_value: 'length', max_value: 'length' },
    needs: [['column'], ['min_value', 'max_value']],
  },
  expect_column_pair_values_a_to_be_greater_than_b: {
    arguments: { column_A: 'column', column_B: 'column', or_equal: 'flag' },
    needs: [['column_A'], ['column_B']],
  },
  expect_column_pair_values_a_to_be_not_equal_to_b: {
    arguments: { column_A: 'column', column_B: 'column' },
    needs: [['column_A'], ['column_B']],
  },
};
