/** An event that knows its time. */
export interface Timed {
  readonly eventTimeMs: number;
}

/** Several sources, each in order of event time, as one; of equal times the source named first comes first. */
export async function* mergeByTime<T extends Timed>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      const first = earliest(heads);
      if (first < 0) return;
      yield (heads[first] as IteratorYieldResult<T>).value;
      heads[first] = await iterators[first]!.next();
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}

/** -1 = all have ended. */
function earliest(heads: readonly IteratorResult<Timed>[]): number {
  let [first, firstMs] = [-1, Number.POSITIVE_INFINITY];
  for (const [i, head] of heads.entries())
    if (!head.done && (first < 0 || head.value.eventTimeMs < firstMs)) [first, firstMs] = [i, head.value.eventTimeMs];
  return first;
}
