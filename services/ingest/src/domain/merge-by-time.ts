import { MillraceError } from '#libs/errors/millrace-error.js';

export interface TimedEvent {
  readonly source: string;
  readonly stream: string;
  /** Where it stands in its file, from 1. */
  readonly row: number;
  readonly eventTimeMs: number;
  readonly key: string | undefined;
  readonly data: Buffer;
}

/**
 * Several sources as one, by event time; of equal times the source named first comes first. Each source must be in order itself.
 * @throws MillraceError failed-precondition naming source and row where one is not
 */
export async function* mergeByTime(sources: readonly AsyncIterable<TimedEvent>[]): AsyncGenerator<TimedEvent> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      let first = -1;
      heads.forEach((head, i) => {
        if (
          !head.done &&
          (first < 0 || head.value.eventTimeMs < (heads[first] as IteratorYieldResult<TimedEvent>).value.eventTimeMs)
        )
          first = i;
      });
      if (first < 0) return;
      const { value } = heads[first] as IteratorYieldResult<TimedEvent>;
      yield value;
      heads[first] = await iterators[first]!.next();
      const next = heads[first]!;
      if (!next.done && next.value.eventTimeMs < value.eventTimeMs)
        throw new MillraceError(
          'failed-precondition',
          `source ${next.value.source}, row ${next.value.row}: its event time ${new Date(next.value.eventTimeMs).toISOString()} is before that of the row above; sort the file by event time`,
        );
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
