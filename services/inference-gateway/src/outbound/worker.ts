import { connectivityState } from '@grpc/grpc-js';
import { encodeMessage } from '#libs/contracts/encode-message.js';
import {
  InferBatch,
  InferenceWorkerClient,
  InferenceWorkerService,
  type InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { type ErrorCode, MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import type { GrpcTransportName } from '#libs/rpc/grpc-transport.js';
import type { CandidateLosses } from '../domain/candidate-losses.js';
import { LateRequest } from '../domain/late-request.js';
import { WorkerAway } from '../domain/worker-away.js';
import { type Breaker, breakerOf } from './breaker.js';
import { MultiplexedStream } from './multiplexed-stream.js';

/** The call of the contract, its batches encoded into room that is kept. */
const infer = {
  ...InferenceWorkerService.infer,
  requestSerialize: (batch: InferBatch) => encodeMessage(InferBatch, batch),
};

type Ask = (batch: InferBatch) => Promise<InferResult>;

const noWorker = 'no inference worker answers';
/** Where a request was that became late. */
export const waiting = 'while the request waited for the model';

/** One worker: its stream, and a breaker that stops asking while it fails. A wrong question is not a failure of the worker, and a candidate's failures are its own. */
export class Worker {
  readonly peer: Peer<InferenceWorkerClient>;
  readonly stream: MultiplexedStream<InferBatch, InferResult>;
  readonly ask: Ask;
  /** Of a model that is tried. Without a breaker: a shadow neither trips one nor is tried again. */
  readonly askTried: Ask;
  readonly breakers: Record<'live' | 'canary', Breaker<InferBatch, InferResult>>;
  /** Whether what was last asked in vain found it away, which is then what has opened the breaker. */
  private readonly away = { live: false, canary: false };

  constructor(
    address: string,
    token: string,
    timeoutMs: number,
    losses: CandidateLosses,
    transport: GrpcTransportName,
  ) {
    const name = `inference-worker ${address}`;
    this.peer = new Peer(InferenceWorkerClient, name, address, token);
    this.stream = new MultiplexedStream(name, () => this.peer.openStream(infer, transport), {
      found: () => losses.found(address),
      away: (error, wasThere) => {
        if (wasThere) losses.lost(address);
        const code = error.code === 'deadline-exceeded' ? error.code : 'unavailable';
        return new WorkerAway(code, error.message, wasThere, { cause: error });
      },
    });
    // Waited for as the setting says, whatever the callers allow: only so a worker that hangs tells itself from callers in a hurry.
    this.ask = async (batch) => {
      const result = await this.stream.ask(batch, timeoutMs);
      if (result.errorCode === 'deadline' && batch.timeoutMs < timeoutMs) throw new LateRequest(waiting);
      return checked(result, batch.tensors.length > 0);
    };
    this.askTried = async (batch) => {
      const { onnxSha256 } = batch;
      let isAnswered = false;
      losses.begin(onnxSha256, address);
      try {
        const result = await this.ask(batch);
        isAnswered = true;
        return result;
      } finally {
        losses.end(onnxSha256, address, isAnswered);
      }
    };
    this.breakers = { live: breakerOf(this.ask, isAway), canary: breakerOf(this.askTried, isAway) };
    for (const lane of ['live', 'canary'] as const)
      this.breakers[lane].on('failure', (error) => (this.away[lane] = error instanceof WorkerAway));
  }

  /** The breaker's own refusal has no code of ours: then nobody answers. */
  refused(lane: 'live' | 'canary', error: unknown): MillraceError {
    if (error instanceof MillraceError) return error;
    const cause = { cause: error };
    return this.away[lane]
      ? new WorkerAway('unavailable', noWorker, false, cause)
      : new MillraceError('unavailable', noWorker, cause);
  }

  /** It has said that it stops, and no connection to it has been made since. */
  get isLeft(): boolean {
    return this.stream.isLeft(() => this.peer.stub.getChannel().getConnectivityState(true) === connectivityState.READY);
  }
}

/** What no code of ours tells is a fault of the way there. */
function isAway(error: unknown): boolean {
  if (error instanceof LateRequest) return false;
  return !(error instanceof MillraceError) || error.code === 'unavailable' || error.code === 'deadline-exceeded';
}

const codes: Record<string, ErrorCode> = {
  'model-not-found': 'unavailable',
  'hash-mismatch': 'internal',
  'bad-shape': 'internal',
  deadline: 'deadline-exceeded',
  overloaded: 'resource-exhausted',
  'run-failed': 'internal',
};

/** @param asked by the tensors that a caller sent: of a wrong shape they are the caller's fault, not ours */
export function checked(result: InferResult, asked: boolean): InferResult {
  if (result.errorCode === '') return result;
  if (asked && result.errorCode === 'bad-shape') throw new MillraceError('invalid-argument', result.errorMessage);
  throw new MillraceError(codes[result.errorCode] ?? 'internal', `inference-worker: ${result.errorMessage}`);
}
