/** Outputs that only come where they are asked for; no metadata lists them. Contributions FP64 [rows, features], base values FP64 [rows], BYTES [features], BYTES [rows]. */
export const explanationOutputs: readonly string[] = [
  'contributions',
  'base_value',
  'contribution_names',
  'explained_by',
];
