/** Beyond it a float32 probability is 0 or 1: half a unit in the last place below 1. */
const leastProbability = 2 ** -25;
/** Of the largest margin: the runtime adds up leaves in float32, which is worse the more they are. */
const tolerance = 1e-5;
const sigmoidTolerance = 1e-6;
/** Two columns that add up to 1 so closely are probabilities. */
const sumTolerance = 1e-3;

/** The score of each row, its last column: of a binary model's [P(0), P(1)] the latter. @param output row-major [rows, columns] */
export function scoresOf(output: Float32Array, columns: number): Float32Array {
  return Float32Array.from({ length: output.length / columns }, (_, row) => output[(row + 1) * columns - 1]!);
}

/**
 * What a model that can only be asked is explained in: of two columns that are probabilities log(P(1) / P(0)), within +-17.3, where float32 ends; else the score.
 * @param output row-major [rows, columns] @returns float64 [rows]
 */
export function marginsOf(output: Float32Array, columns: number): Float64Array {
  const scores = Float64Array.from(scoresOf(output, columns));
  if (columns !== 2 || !areProbabilities(output)) return scores;
  return scores.map((p, row) => Math.log(Math.max(leastProbability, p) / Math.max(leastProbability, output[row * 2]!)));
}

function areProbabilities(output: Float32Array): boolean {
  for (let i = 0; i < output.length; i += 2) {
    const [no, yes] = [output[i]!, output[i + 1]!];
    if (!(no >= 0 && yes >= 0 && Math.abs(no + yes - 1) <= sumTolerance)) return false;
  }
  return true;
}

/**
 * Whether scores are what the margins say: as they are, or through a sigmoid, all of them by the same way, within what float32 sums differ by.
 * @param largest that a margin could be
 */
export function agreesWith(scores: Float32Array, margins: Float64Array, largest: number): boolean {
  const near = (link: (margin: number) => number, within: number): boolean =>
    scores.every((score, i) => Math.abs(link(margins[i]!) - score) <= within);
  return (
    near((margin) => margin, tolerance * largest) ||
    near((margin) => 1 / (1 + Math.exp(-margin)), (tolerance * largest) / 4 + sigmoidTolerance)
  );
}
