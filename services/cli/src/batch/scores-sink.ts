import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { BatchPlan, OutputFormat } from '../domain/batch/batch-plan.js';
import { type BatchProgress, dueBlock, insertedBlock } from '../domain/batch/batch-progress.js';
import { askUntilAnswered, type RetryOptions } from '../domain/batch/retry.js';
import { answerColumns } from '../domain/batch/run-columns.js';
import { moveFile } from './durable-file.js';
import type { RunFolder } from './run-folder.js';
import { countRows, insertBlock, type ScoresTable } from './scores-table.js';

/** Where scores go. They are written to a local file either way. */
export interface ScoresSink {
  readonly scoresPath: string;
  readonly rejectedPath: string;
  /** What the scores are called once all are there; undefined = they go into a table. */
  readonly finalPath: string | undefined;
  readonly format: OutputFormat;
  /** Columns that all rows have the same. */
  readonly sameInAll: Readonly<Record<string, string>>;
  /** Hands on what is due. @param save writes a step down, before and after it is taken */
  insertDue(progress: BatchProgress, atEnd: boolean, save: (progress: BatchProgress) => Promise<void>): Promise<void>;
  /** All rows are written. */
  finish(progress: BatchProgress): Promise<void>;
  /** The run has ended: what it needed to go on is removed. */
  tidy(folder: RunFolder): void;
}

/** A file gets its name when it is whole: nobody takes a part of it for all. */
export class FileSink implements ScoresSink {
  readonly scoresPath: string;
  readonly rejectedPath: string;
  readonly sameInAll = {};

  constructor(
    readonly finalPath: string,
    readonly format: OutputFormat,
  ) {
    this.scoresPath = `${finalPath}.part`;
    this.rejectedPath = `${finalPath}.rejected.jsonl`;
  }

  async insertDue(): Promise<void> {}

  async finish(): Promise<void> {
    if (existsSync(this.scoresPath)) await moveFile(this.scoresPath, this.finalPath);
  }

  tidy(folder: RunFolder): void {
    removeSpool(folder);
  }

  /** @throws MillraceError invalid-argument, already-exists: a run overwrites nothing */
  checkNew(): void {
    const folder = dirname(this.finalPath);
    if (!existsSync(folder)) throw new MillraceError('invalid-argument', `--output: there is no folder ${folder}`);
    const there = [this.finalPath, this.scoresPath, this.rejectedPath].find((path) => existsSync(path));
    if (there !== undefined)
      throw new MillraceError(
        'already-exists',
        `${there} is there already, and not of this run; name another --output, or remove it`,
      );
  }

  remove(): void {
    for (const path of [this.finalPath, this.scoresPath, this.rejectedPath]) rmSync(path, { force: true });
  }
}

/** Scores are on the local disk before they are inserted, block by block, each written down before and after: it is the same block again, under the same token, if the run is broken off between. */
export class TableSink implements ScoresSink {
  readonly scoresPath: string;
  readonly rejectedPath: string;
  readonly finalPath = undefined;
  readonly format = 'jsonl';
  readonly sameInAll: Readonly<Record<string, string>>;
  private readonly columns: readonly string[];

  constructor(
    private readonly clickhouse: ClickHouseClient,
    private readonly into: ScoresTable,
    private readonly folder: RunFolder,
    private readonly plan: BatchPlan,
    private readonly retry: RetryOptions,
    private readonly blockBytes: number,
  ) {
    this.scoresPath = folder.file('scores.jsonl');
    this.rejectedPath = folder.file('rejected.jsonl');
    this.sameInAll = { run_id: folder.runId };
    this.columns = ['run_id', ...answerColumns(plan.inputs.score), ...plan.columns.kept];
  }

  async insertDue(
    before: BatchProgress,
    atEnd: boolean,
    save: (progress: BatchProgress) => Promise<void>,
  ): Promise<void> {
    let progress = before;
    for (;;) {
      const block = dueBlock(progress, this.blockBytes, atEnd);
      if (block === undefined) return;
      progress = { ...progress, inserting: block };
      await save(progress);
      const insert = () =>
        insertBlock(this.clickhouse, this.into, this.columns, this.scoresPath, block, this.plan.token);
      await askUntilAnswered(insert, this.retry);
      progress = insertedBlock(progress);
      await save(progress);
    }
  }

  /** Takes the account of it. @throws MillraceError internal */
  async finish({ answered }: BatchProgress): Promise<void> {
    const { rows, distinct } = await askUntilAnswered(
      () => countRows(this.clickhouse, this.into, this.folder.runId),
      this.retry,
    );
    if (rows !== answered || distinct !== answered)
      throw new MillraceError(
        'internal',
        `${answered} rows were inserted for run ${this.folder.runId}, and the table has ${rows} of it, with ${distinct} numbers; somebody else has changed them`,
      );
  }

  tidy(folder: RunFolder): void {
    removeSpool(folder);
    rmSync(this.scoresPath, { force: true });
  }
}

function removeSpool(folder: RunFolder): void {
  rmSync(folder.file('rows.jsonl'), { force: true });
}
