import type {
  Prediction,
  PredictionBlock,
  PredictionRows,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { withOwn } from '#libs/contracts/prediction-rows.js';

const float32Bytes = 4;

/**
 * A block with a prediction for each of its packed rows, behind those that it has.
 * @throws Error where packed rows do not have as many bytes as they have rows, or are like rows that are not there
 */
export function expandRows(block: PredictionBlock): PredictionBlock {
  if (block.rows.length === 0) return block;
  const ids = `${block.walId}-${block.sequence}`;
  const expanded = block.rows.flatMap((packed) => predictionsOf(ids, packed, sharedOf(block.rows, packed)));
  return { ...block, predictions: [...block.predictions, ...expanded], rows: [] };
}

/** @returns the shared part as a whole; undefined = it has none */
function sharedOf(all: readonly PredictionRows[], { shared, like }: PredictionRows): Prediction | undefined {
  if (like === 0 || shared === undefined) return shared;
  const whole = all[like - 1];
  if (whole?.shared === undefined || whole.like !== 0) throw new Error(`like: ${like} names no rows that are whole`);
  return withOwn(whole.shared, shared);
}

function predictionsOf(
  ids: string,
  { first, rows, features, outputs }: PredictionRows,
  shared: Prediction | undefined,
): Prediction[] {
  const vectorBytes = rows === 0 ? 0 : features.length / rows;
  if (shared === undefined || outputs.length !== rows * float32Bytes || vectorBytes % float32Bytes !== 0)
    throw new Error(`rows: ${rows} rows with ${outputs.length} bytes of outputs and ${features.length} of features`);
  return Array.from({ length: rows }, (_, i) => ({
    ...shared,
    predictionId: `${ids}-${first + i}`,
    features: features.subarray(i * vectorBytes, (i + 1) * vectorBytes),
    outputs: [outputs.readFloatLE(i * float32Bytes)],
  }));
}
