import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Dataset } from './build-dataset.js';

/**
 * A dataset as Parquet: a FLOAT column a feature (NaN = missing) in vector order, `label` FLOAT (NaN = none), `split` (train | validate), `event_time` INT64 epoch ms, and the
 * join key. The same dataset gives the same bytes.
 */
export function encodeParquet(dataset: Dataset): Buffer {
  const columnData = [
    ...dataset.featureNames.map((name, i) => ({
      name,
      data: [...dataset.features[i]!],
      type: 'FLOAT' as const,
      nullable: false,
    })),
    { name: 'label', data: [...dataset.labels], type: 'FLOAT' as const, nullable: false },
    { name: 'split', data: [...dataset.splits], type: 'STRING' as const, nullable: false },
    { name: 'event_time', data: dataset.eventTimesMs.map(BigInt), type: 'INT64' as const, nullable: false },
    { name: 'join_key', data: [...dataset.joinKeys], type: 'STRING' as const, nullable: false },
  ];
  return Buffer.from(parquetWriteBuffer({ columnData }));
}
