import { type CandidateArm, inputOf, type LiveEndpoint } from './arms.js';
import { causeOf } from './logged-rows.js';
import type { Features, ModelRunner, Notes, PredictionLog } from './ports.js';
import { finite, type Scored } from './scored.js';
import { ShadowQueue, unmirrored, type UnmirroredReason } from './shadow-queue.js';
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

/** Small, so that a worker is soon free again for rows that somebody waits for. */
const maxBatchRows = 64;

/**
 * Shows candidates what the live version has answered, by a queue of its own (ShadowQueue). Answers only put rows there. The bound counts the rows that wait and those being
 * run. Every row that a candidate is not shown is noted, with its reason.
 */
export class Mirror {
  private readonly queue: ShadowQueue<Mirrored>;

  constructor(
    runner: ModelRunner,
    private readonly log: PredictionLog,
    private readonly maxRows: number,
    private readonly isBusy: () => boolean = () => false,
  ) {
    this.queue = new ShadowQueue(log, {
      joins: (oldest, row) => row.candidate === oldest.candidate && row.columns === oldest.columns,
      maxBatch: maxBatchRows,
      show: (batch) => shadowsOf(runner, batch),
      unshown: ({ endpoint, candidate }, reason) => unmirrored(endpoint.plan.name, candidate, reason, 1),
    });
  }

  /** Takes the rows that the live version answered, as many as there is room for; never throws, never waits. @param ids the predictions' */
  offer(endpoint: LiveEndpoint, given: boolean, scored: Scored, ids: readonly string[]): void {
    const candidate = endpoint.candidate!;
    const refused = this.refusal(candidate, given, scored.fallback);
    let lost = 0;
    for (let i = 0; i < ids.length; i++) {
      if (scored.byCandidate?.[i] === 1) continue;
      if (refused !== undefined || this.queue.size >= this.maxRows) lost += 1;
      else this.queue.put(mirrored(endpoint, candidate, given, scored.features[i]!, ids[i]!));
    }
    if (lost > 0)
      this.log.note({ unmirrored: [unmirrored(endpoint.plan.name, candidate, refused ?? 'queue-full', lost)] });
    this.queue.schedule();
  }

  /** Runs what waits, for so long; what is left then is noted as unmirrored. Nothing is taken any more. */
  stop(graceMs: number): Promise<void> {
    return this.queue.stop(graceMs);
  }

  private refusal(candidate: CandidateArm, given: boolean, fallback: boolean): UnmirroredReason | undefined {
    if (this.queue.isClosed) return 'shutdown';
    if (fallback) return 'fallback';
    if (this.isBusy()) return 'overload';
    return given && !candidate.takesGiven ? 'features-given' : undefined;
  }
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
      return { unmirrored: [unmirrored(batch[0]!.endpoint.plan.name, candidate, 'worker-away', batch.length)] };
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
