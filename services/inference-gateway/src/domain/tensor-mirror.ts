import type { InferRequest } from './infer-request.js';
import { loggedOutputs, tensorFailure } from './log-tensors.js';
import type { Notes, PredictionLog } from './ports.js';
import { ShadowQueue, unmirrored, type UnmirroredReason } from './shadow-queue.js';
import type { TensorCandidate, TensorEndpoint } from './tensor-endpoint.js';
import type { TensorRunner } from './tensor-ports.js';
import { WorkerAway } from './worker-away.js';

interface Mirrored {
  readonly endpoint: TensorEndpoint;
  readonly candidate: TensorCandidate;
  readonly request: InferRequest;
  readonly primaryId: string;
  readonly bytes: number;
}

/**
 * Shows candidates the requests that the live version of a tensor model has answered, one at a time and never while somebody waits for it. What waits is bounded by requests
 * and by the bytes of their inputs, those being run included; what a candidate is not shown is counted, with its reason.
 */
export class TensorMirror {
  private readonly queue: ShadowQueue<Mirrored>;
  private bytes = 0;

  constructor(
    private readonly runner: TensorRunner,
    private readonly log: PredictionLog,
    private readonly maxRequests: number,
    private readonly maxBytes: number,
    private readonly isBusy: () => boolean = () => false,
  ) {
    this.queue = new ShadowQueue(log, {
      joins: () => false,
      maxBatch: 1,
      show: ([request]) => this.show(request!),
      unshown: ({ endpoint, candidate }, reason) => unmirrored(endpoint.plan.name, candidate, reason, 1),
    });
  }

  /** Never throws, never waits. @param primaryId the prediction's */
  offer(endpoint: TensorEndpoint, candidate: TensorCandidate, request: InferRequest, primaryId: string): void {
    const bytes = (request.raw ?? []).reduce((sum, { data }) => sum + data.length, 0);
    const refused = this.refusal(bytes);
    if (refused !== undefined)
      return this.log.note({ unmirrored: [unmirrored(endpoint.plan.name, candidate, refused, 1)] });
    this.bytes += bytes;
    this.queue.put({ endpoint, candidate, request, primaryId, bytes });
    this.queue.schedule();
  }

  /** Runs what waits, for so long; what is left then is counted as unmirrored. */
  stop(graceMs: number): Promise<void> {
    return this.queue.stop(graceMs);
  }

  private refusal(bytes: number): UnmirroredReason | undefined {
    if (this.queue.isClosed) return 'shutdown';
    if (this.isBusy()) return 'overload';
    const isFull = this.queue.size >= this.maxRequests || this.bytes + bytes > this.maxBytes;
    return isFull ? 'queue-full' : undefined;
  }

  private async show(request: Mirrored): Promise<Notes> {
    const notes = await this.shadowOf(request);
    this.bytes -= request.bytes;
    return notes;
  }

  private async shadowOf({ endpoint, candidate, request, primaryId }: Mirrored): Promise<Notes> {
    const { version, rolloutId, step } = candidate;
    const startedMs = performance.now();
    try {
      const outputs = endpoint.signature.outputs.map(({ name }) => name);
      const tensors = request.raw ?? [];
      const given = await this.runner.run({ version, tensors, outputs, lane: 'shadow', trace: undefined });
      const shadow = {
        primaryId,
        endpoint: endpoint.plan.name,
        model: endpoint.plan.model,
        modelVersion: version.version,
        rolloutId,
        rolloutStep: step,
        asOfMs: Date.now(),
        outputs: loggedOutputs(given),
        runUs: Math.round((performance.now() - startedMs) * 1_000),
        answeredAtMs: Date.now(),
      };
      return { shadows: [shadow] };
    } catch (error) {
      // That no worker was there to be asked is no failure of the candidate; a server of its own that is away is one.
      if (error instanceof WorkerAway)
        return { unmirrored: [unmirrored(endpoint.plan.name, candidate, 'worker-away', 1)] };
      return { failures: [tensorFailure(endpoint, 'shadow', version.version, candidate, error, primaryId)] };
    }
  }
}
