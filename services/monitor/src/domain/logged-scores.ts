/** Predictions as performance is measured of them, a column each. */
export interface LoggedScores {
  readonly scores: Float64Array;
  /** 0 or 1; NaN = none yet. */
  readonly labels: Float64Array;
  /** `<model>@<version>` that answered. */
  readonly versions: readonly string[];
  /** Answered with the endpoint's fallback: no score of the model. */
  readonly fallbacks: readonly boolean[];
  /** as_of, epoch ms. */
  readonly atMs: Float64Array;
  /** Value of the segment's column; '' where none was asked for. */
  readonly parts: readonly string[];
}

/** Those of the rows at these places, in that order. */
export function rowsAt(rows: LoggedScores, places: readonly number[]): LoggedScores {
  return {
    scores: Float64Array.from(places, (i) => rows.scores[i]!),
    labels: Float64Array.from(places, (i) => rows.labels[i]!),
    versions: places.map((i) => rows.versions[i]!),
    fallbacks: places.map((i) => rows.fallbacks[i]!),
    atMs: Float64Array.from(places, (i) => rows.atMs[i]!),
    parts: places.map((i) => rows.parts[i]!),
  };
}

/** Places of the rows that hold, ascending. */
export function placesWhere(rows: LoggedScores, holds: (i: number) => boolean): number[] {
  const places: number[] = [];
  for (let i = 0; i < rows.scores.length; i += 1) if (holds(i)) places.push(i);
  return places;
}

/** Places by key, in the order in which keys first appear. */
export function placesBy<K>(rows: LoggedScores, keyOf: (i: number) => K): Map<K, number[]> {
  const found = new Map<K, number[]>();
  for (let i = 0; i < rows.scores.length; i += 1) {
    const places = found.get(keyOf(i));
    if (places === undefined) found.set(keyOf(i), [i]);
    else places.push(i);
  }
  return found;
}
