export interface BatchLimitOptions {
  readonly maxRows: number;
  /** No run should hold the thread for longer than this, in microseconds. */
  readonly targetUs: number;
}

/**
 * The most rows a run may have, at least 1 and at most `maxRows`: doubles from 1 while a run stays within the target.
 * Measured, for it depends on the model: a small tree ensemble takes 256 rows in 0.2 ms, a wide network 32 in 0.7 ms.
 * @param measureUs runs so many rows and says how long that took, in microseconds; its first run of a model is not representative and not counted
 */
export async function measureBatchLimit(
  measureUs: (rows: number) => Promise<number>,
  options: BatchLimitOptions,
): Promise<number> {
  await measureUs(1);
  let within = 1;
  for (let rows = Math.min(2, options.maxRows); ; rows = Math.min(rows * 2, options.maxRows)) {
    // The better of two: one may have met a garbage collection or a busy machine.
    const tookUs = Math.min(await measureUs(rows), await measureUs(rows));
    if (tookUs > options.targetUs) return within;
    within = rows;
    if (rows === options.maxRows) return within;
  }
}
