import type { InferRequest } from './infer-request.js';
import { loggedOutputs, tensorFailure } from './log-tensors.js';
import type { Notes, PredictionLog } from './ports.js';
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

type Reason = 'queue-full' | 'worker-away' | 'shutdown';

/**
 * Shows candidates the requests that the live version of a tensor model has answered, one at a time and never while somebody waits for it. What waits is bounded by requests
 * and by the bytes of their inputs; what a candidate is not shown is counted, with its reason.
 */
export class TensorMirror {
  private queue: Mirrored[] = [];
  private running: Mirrored | undefined;
  private bytes = 0;
  private closed = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly runner: TensorRunner,
    private readonly log: PredictionLog,
    private readonly maxRequests: number,
    private readonly maxBytes: number,
  ) {}

  /** Never throws, never waits. @param primaryId the prediction's */
  offer(endpoint: TensorEndpoint, candidate: TensorCandidate, request: InferRequest, primaryId: string): void {
    const bytes = (request.raw ?? []).reduce((sum, { data }) => sum + data.length, 0);
    const mirrored = { endpoint, candidate, request, primaryId, bytes };
    const isFull = this.queue.length >= this.maxRequests || this.bytes + bytes > this.maxBytes;
    if (this.closed || isFull) return this.miss(mirrored, this.closed ? 'shutdown' : 'queue-full');
    this.queue.push(mirrored);
    this.bytes += bytes;
    if (this.running === undefined && this.queue.length === 1) setImmediate(() => void this.runAll());
  }

  /** Runs what waits, for so long; what is left then is counted as unmirrored. */
  async stop(graceMs: number): Promise<void> {
    this.closed = true;
    if (this.queue.length > 0 || this.running !== undefined)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    const left = [...(this.running === undefined ? [] : [this.running]), ...this.queue];
    this.queue = [];
    this.running = undefined;
    for (const one of left) this.miss(one, 'shutdown');
  }

  private async runAll(): Promise<void> {
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.running = next;
      const notes = await this.shadowOf(next);
      this.bytes -= next.bytes;
      // A stop that came first has counted it as unmirrored.
      if (this.running !== next) return;
      this.running = undefined;
      this.log.note(notes);
    }
    this.onEmpty?.();
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
      if (error instanceof WorkerAway) return { unmirrored: [unmirrored(endpoint, candidate, 'worker-away')] };
      return { failures: [tensorFailure(endpoint, 'shadow', version.version, candidate, error, primaryId)] };
    }
  }

  private miss({ endpoint, candidate }: Mirrored, reason: Reason): void {
    this.log.note({ unmirrored: [unmirrored(endpoint, candidate, reason)] });
  }
}

function unmirrored({ plan }: TensorEndpoint, { rolloutId, step }: TensorCandidate, reason: Reason) {
  return { endpoint: plan.name, rolloutId, rolloutStep: step, reason, rows: 1, atMs: Date.now() };
}
