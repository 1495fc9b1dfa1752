/** ln(2 pi) / 2 */
const halfLog2Pi = 0.9189385332046727;

/** Natural logarithm of the gamma function of x > 0: Stirling's series (Abramowitz and Stegun 6.1.41) above 10, recurrence below; relative error under 1e-13. */
export function logGamma(x: number): number {
  let shifted = x;
  let product = 1;
  for (; shifted < 10; shifted += 1) product *= shifted;
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
  return (shifted - 0.5) * Math.log(shifted) - shifted + halfLog2Pi + series - Math.log(product);
}

/** Natural logarithm of the beta function of a, b > 0. */
export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}
