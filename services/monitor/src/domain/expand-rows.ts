import type {
  Prediction,
  PredictionBlock,
  PredictionRows,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';

const float32Bytes = 4;

/**
 * A block with a prediction for each of its packed rows, behind those that it has.
 * @throws Error where packed rows do not have as many bytes as they have rows
 */
export function expandRows(block: PredictionBlock): PredictionBlock {
  if (block.rows.length === 0) return block;
  const expanded = block.rows.flatMap((packed) => predictionsOf(`${block.walId}-${block.sequence}`, packed));
  return { ...block, predictions: [...block.predictions, ...expanded], rows: [] };
}

function predictionsOf(ids: string, { shared, first, rows, features, outputs }: PredictionRows): Prediction[] {
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
