/** Where a reader stands in an input: what a run goes on from. */
export interface Place {
  /** Bytes of a file of lines that have been read; rows of a Parquet file. */
  readonly offset: number;
  /** Rows that have been read. */
  readonly row: number;
  /** Lines that have been read; 0 where the input has none. */
  readonly line: number;
}

export const beginning: Place = { offset: 0, row: 0, line: 0 };

/** One row of the input, as it was read. */
export interface InputRow {
  /** Behind it: `row` is its number, counted from 1, and `line` the one on which it ends. */
  readonly end: Place;
  /** Undefined = it could not be read, and `problem` says why. */
  readonly columns: Readonly<Record<string, unknown>> | undefined;
  readonly problem?: string;
}

/** Longer ones are rejected: what a stranger's file holds in one row shall not fill the memory. */
export const maxRowBytes = 1_048_576;

/** A row that is not answered, and why. */
export interface Rejection {
  readonly row: number;
  /** 0 = the input has no lines. */
  readonly line: number;
  readonly reason: string;
}
