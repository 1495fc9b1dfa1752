/**
 * Shapley values by their definition: every feature's mean gain over all sets of the others (Shapley 1953). 2^features values of the game, so at most 20 features; what the
 * fast ways are held against.
 * @param value of the set of features whose bits are set
 * @returns [features]
 */
export function exactShapley(features: number, value: (set: number) => number): Float64Array {
  if (!Number.isInteger(features) || features < 0 || features > 20)
    throw new RangeError(`features: ${features}; a whole number from 0 to 20`);
  const values = Float64Array.from({ length: 2 ** features }, (_, set) => value(set));
  const sizes = Uint8Array.from(values, (_, set) => set.toString(2).replaceAll('0', '').length);
  const contributions = new Float64Array(features);
  for (let feature = 0; feature < features; feature++)
    for (let set = 0; set < values.length; set++) {
      if ((set >> feature) & 1) continue;
      const weight = 1 / (features * choose(features - 1, sizes[set]!));
      contributions[feature]! += weight * (values[set | (1 << feature)]! - values[set]!);
    }
  return contributions;
}

function choose(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = (ways * (n - k + i)) / i;
  return ways;
}
