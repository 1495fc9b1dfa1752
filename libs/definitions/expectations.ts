/** Row expectations that are evaluated, under their Great Expectations names: which arguments name columns, and which others there are. */
export const expectationArguments: Readonly<
  Record<
    string,
    { readonly columns: readonly string[]; readonly others: readonly string[]; readonly numeric?: boolean }
  >
> = {
  expect_column_values_to_be_between: {
    columns: ['column'],
    others: ['min_value', 'max_value', 'strict_min', 'strict_max'],
    numeric: true,
  },
  expect_column_values_to_not_be_null: { columns: ['column'], others: [] },
  expect_column_values_to_be_in_set: { columns: ['column'], others: ['value_set'] },
  expect_column_values_to_match_regex: { columns: ['column'], others: ['regex'] },
  expect_column_value_lengths_to_be_between: { columns: ['column'], others: ['min_value', 'max_value'] },
  expect_column_pair_values_a_to_be_greater_than_b: { columns: ['column_A', 'column_B'], others: ['or_equal'] },
  expect_column_pair_values_a_to_be_not_equal_to_b: { columns: ['column_A', 'column_B'], others: [] },
};
