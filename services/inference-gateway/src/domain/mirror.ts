import type { Unmirrored } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { type CandidateArm, inputOf, type LiveEndpoint } from './arms.js';
import { causeOf } from './logged-rows.js';
import type { Features, ModelRunner, Notes, PredictionLog } from './ports.js';
import { finite, type Scored } from './scored.js';
import { WorkerAway } from './worker-away.js';

interface Mirrored {
  readonly endpoint: LiveEndpoint;
  readonly candidate: CandidateArm;
  /** Of the values, which the candidate reads; a vector that was given whole is read as it is. */
  readonly columns: Uint32Array | undefined;
  readonly primaryId: string;
  readonly values: Float32Array;
  readonly asOfMs: number;
}

/** Why a candidate was not shown a row that the live version answered. */
type UnmirroredReason = 'queue-full' | 'features-given' | 'fallback' | 'worker-away' | 'overload' | 'shutdown';

/** Small, so that a worker is soon free again for rows that somebody waits for. */
const maxBatchRows = 64;

/**
 * Shows candidates what the live version has answered. Answers only put rows here; one batch at a time is run, begun after the answers of its turn have been given.
 * The bound counts the rows that wait and those being run. Every row that a candidate is not shown is noted, with its reason.
 */
export class Mirror {
  private queue: Mirrored[] = [];
  private running: readonly Mirrored[] = [];
  private scheduled = false;
  private closed = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly runner: ModelRunner,
    private readonly log: PredictionLog,
    private readonly maxRows: number,
    private readonly isBusy: () => boolean = () => false,
  ) {}

  /** Takes the rows that the live version answered, as many as there is room for; never throws, never waits. @param ids the predictions' */
  offer(endpoint: LiveEndpoint, given: boolean, scored: Scored, ids: readonly string[]): void {
    const candidate = endpoint.candidate!;
    const refused = this.refusal(candidate, given, scored.fallback);
    let lost = 0;
    for (let i = 0; i < ids.length; i++) {
      if (scored.byCandidate?.[i] === 1) continue;
      if (refused !== undefined || this.queue.length + this.running.length >= this.maxRows) lost += 1;
      else this.queue.push(mirrored(endpoint, candidate, given, scored.features[i]!, ids[i]!));
    }
    if (lost > 0) this.miss(endpoint, candidate, refused ?? 'queue-full', lost);
    this.schedule();
  }

  /** Runs what waits, for so long; what is left then is noted as unmirrored. Nothing is taken any more. */
  async stop(graceMs: number): Promise<void> {
    this.closed = true;
    if (this.queue.length + this.running.length > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    const left = [...this.running, ...this.queue];
    this.queue = [];
    this.running = [];
    for (const { endpoint, candidate } of left) this.miss(endpoint, candidate, 'shutdown', 1);
  }

  private refusal(candidate: CandidateArm, given: boolean, fallback: boolean): UnmirroredReason | undefined {
    if (this.closed) return 'shutdown';
    if (fallback) return 'fallback';
    if (this.isBusy()) return 'overload';
    return given && !candidate.takesGiven ? 'features-given' : undefined;
  }

  private miss(endpoint: LiveEndpoint, candidate: CandidateArm, reason: UnmirroredReason, rows: number): void {
    this.log.note({ unmirrored: [unmirrored(endpoint, candidate, reason, rows)] });
  }

  private schedule(): void {
    if (this.scheduled || this.running.length > 0 || this.queue.length === 0) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      void this.runNext();
    });
  }

  private async runNext(): Promise<void> {
    const batch = this.take();
    if (batch.length === 0) return;
    this.running = batch;
    const { runner, log } = this;
    const notes = await shadowsOf(runner, batch);
    // A stop that came first has counted these rows as unmirrored.
    if (this.running !== batch) return;
    log.note(notes);
    this.running = [];
    if (this.queue.length === 0) this.onEmpty?.();
    this.schedule();
  }

  /** The oldest row and what can be one batch with it, in order. */
  private take(): Mirrored[] {
    const [batch, rest]: [Mirrored[], Mirrored[]] = [[], []];
    const head = this.queue[0];
    for (const row of this.queue) {
      const fits = row.candidate === head!.candidate && row.columns === head!.columns && batch.length < maxBatchRows;
      (fits ? batch : rest).push(row);
    }
    this.queue = rest;
    return batch;
  }
}

function unmirrored(
  { plan }: LiveEndpoint,
  { rolloutId, step }: CandidateArm,
  reason: UnmirroredReason,
  rows: number,
): Unmirrored {
  return { endpoint: plan.name, rolloutId, rolloutStep: step, reason, rows, atMs: Date.now() };
}

function mirrored(
  endpoint: LiveEndpoint,
  candidate: CandidateArm,
  given: boolean,
  { values, asOfMs }: Features,
  primaryId: string,
): Mirrored {
  return { endpoint, candidate, columns: given ? undefined : candidate.columns, primaryId, values, asOfMs };
}

/** What the candidate said of each row, or why it could not. That no worker was there to be asked is no failure of the candidate. */
async function shadowsOf(runner: ModelRunner, batch: readonly Mirrored[]): Promise<Notes> {
  const { candidate, columns } = batch[0]!;
  const { onnxSha256 } = candidate.version;
  const startedMs = performance.now();
  try {
    const input = inputOf(candidate.version, columns, batch);
    const scores = finite(await runner.run(onnxSha256, batch.length, input, 'shadow'));
    const runUs = Math.round((performance.now() - startedMs) * 1_000);
    return {
      shadows: batch.map((row, i) => ({ ...named(row), outputs: [scores[i]!], runUs, answeredAtMs: Date.now() })),
    };
  } catch (error) {
    if (error instanceof WorkerAway)
      return { unmirrored: [unmirrored(batch[0]!.endpoint, candidate, 'worker-away', batch.length)] };
    const cause = causeOf(error);
    return { failures: batch.map((row) => ({ ...named(row), arm: 'shadow', ...cause, failedAtMs: Date.now() })) };
  }
}

function named({ endpoint: { plan }, candidate, primaryId, asOfMs }: Mirrored) {
  const { version, rolloutId, step } = candidate;
  return {
    primaryId,
    endpoint: plan.name,
    model: plan.model,
    modelVersion: version.version,
    rolloutId,
    rolloutStep: step,
    asOfMs,
  };
}
