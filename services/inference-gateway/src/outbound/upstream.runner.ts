import { credentials, type Metadata, Metadata as GrpcMetadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  GRPCInferenceServiceClient,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelMetadataResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import type { ModelVersion, Upstream } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { boundedText } from '#libs/rpc/status.js';
import { datatypes } from '#libs/tensors/number-formats.js';
import { maxRank, rawInputs, type RawTensor } from '#libs/tensors/raw-tensor.js';
import type { Signature } from '../domain/tensor-endpoint.js';
import { type TensorRun, TensorRunner } from '../domain/tensor-ports.js';
import { type Breaker, breakerOf, refusedBy } from './breaker.js';
import { timeLeft } from './time-left.js';

export interface UpstreamOptions {
  /** Which servers may be called, host:port: a definition must not make the gateway call any address. */
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
  /** Of one message, either way. */
  readonly maxMessageBytes: number;
}

const maxTensors = 256;
const waiting = 'before the upstream was asked';

interface Question {
  readonly request: ModelInferRequest;
  /** When the caller waits no longer, epoch ms. */
  readonly untilMs: number;
}

/** One server: its channel, and breakers that stop asking while it is away or late. A candidate's failures are its own. */
class Server {
  readonly stub: GRPCInferenceServiceClient;
  readonly breakers: Record<'live' | 'canary', Breaker<Question, ModelInferResponse>>;
  /** Since when it has answered nothing that it was asked, epoch ms; undefined = it answers. */
  private silentSinceMs: number | undefined;

  constructor(
    readonly address: string,
    private readonly options: UpstreamOptions,
  ) {
    const { maxMessageBytes } = options;
    this.stub = new GRPCInferenceServiceClient(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': maxMessageBytes,
      'grpc.enable_channelz': 0,
      'grpc.max_reconnect_backoff_ms': 1_000,
    });
    const breaker = () => breakerOf((question: Question) => this.infer(question), isAway);
    this.breakers = { live: breaker(), canary: breaker() };
  }

  /** @throws LateRequest where the caller's time was over before it was asked */
  async infer({ request, untilMs }: Question): Promise<ModelInferResponse> {
    const { timeoutMs } = this.options;
    const leftMs = timeLeft(untilMs, timeoutMs, waiting);
    this.silentSinceMs ??= Date.now();
    try {
      const answer = await this.call<ModelInferResponse>(
        (metadata, options, done) => this.stub.modelInfer(request, metadata, options, done),
        leftMs,
      );
      this.silentSinceMs = undefined;
      return answer;
    } catch (error) {
      // Callers in a hurry do not make a server late: only one that has answered nobody for as long as the setting allows.
      if (!isAway(error)) this.silentSinceMs = undefined;
      else if (leftMs < timeoutMs && Date.now() - (this.silentSinceMs ?? Date.now()) < timeoutMs) throw hurried(error);
      throw error;
    }
  }

  metadata({ model, version }: Upstream): Promise<ModelMetadataResponse> {
    const request = { name: model, version };
    return this.call((metadata, options, done) => this.stub.modelMetadata(request, metadata, options, done));
  }

  close(): void {
    this.breakers.live.shutdown();
    this.breakers.canary.shutdown();
    this.stub.close();
  }

  /** Without our token: whoever serves there is a stranger. */
  private call<A>(
    start: (
      metadata: Metadata,
      options: { deadline: number },
      done: (error: ServiceError | null, answer: A) => void,
    ) => unknown,
    timeoutMs = this.options.timeoutMs,
  ): Promise<A> {
    return new Promise((resolve, reject) => {
      start(new GrpcMetadata(), { deadline: Date.now() + timeoutMs }, (error, answer) =>
        error === null ? resolve(answer) : reject(fromUpstream(error)),
      );
    });
  }
}

/** Models that are served elsewhere, by servers that speak the Open Inference Protocol over gRPC. */
export class UpstreamRunner extends TensorRunner {
  private readonly servers: ReadonlyMap<string, Server>;

  constructor(options: UpstreamOptions) {
    super();
    this.servers = new Map(options.addresses.map((address) => [address, new Server(address, options)]));
  }

  override async run({
    version,
    tensors,
    outputs,
    lane,
    untilMs = Number.POSITIVE_INFINITY,
  }: TensorRun): Promise<RawTensor[]> {
    const upstream = version.upstream!;
    const server = this.serverOf(upstream);
    const request = requestOf(upstream, tensors, outputs);
    const question = { request, untilMs };
    const answer = await (lane === 'shadow' ? server.infer(question) : server.breakers[lane].fire(question)).catch(
      (error: unknown) => {
        throw refusedBy(error, `upstream model '${request.modelName}' is away`);
      },
    );
    return readAnswer(upstream.model, answer, outputs);
  }

  override async prepare(version: ModelVersion): Promise<Signature> {
    const upstream = version.upstream!;
    const { inputs, outputs } = await this.serverOf(upstream).metadata(upstream);
    const wrong = [...inputs, ...outputs].find(
      ({ name, datatype, shape }) => name === '' || !datatypes.includes(datatype) || shape.length > maxRank,
    );
    const problem =
      inputs.length === 0 || outputs.length === 0
        ? 'its metadata names no inputs or no outputs'
        : inputs.length + outputs.length > maxTensors
          ? `its metadata names more than ${maxTensors} tensors`
          : wrong && `its metadata says of '${wrong.name}': datatype "${wrong.datatype}", ${wrong.shape.length} sizes`;
    if (problem !== undefined)
      throw new MillraceError('failed-precondition', `upstream model '${upstream.model}' cannot be served: ${problem}`);
    return { inputs, outputs };
  }

  close(): void {
    for (const server of this.servers.values()) server.close();
  }

  private serverOf({ address }: Upstream): Server {
    const server = this.servers.get(address);
    if (server !== undefined) return server;
    throw new MillraceError(
      'failed-precondition',
      `upstream address "${address}" is not one of UPSTREAM_ADDRESSES, which are ${[...this.servers.keys()].join(', ') || 'none'}`,
    );
  }
}

function requestOf(
  { model, version }: Upstream,
  tensors: readonly RawTensor[],
  outputs: readonly string[],
): ModelInferRequest {
  return {
    modelName: model,
    modelVersion: version,
    id: '',
    parameters: {},
    inputs: tensors.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: [...shape],
      parameters: {},
      contents: undefined,
    })),
    outputs: outputs.map((name) => ({ name, parameters: {} })),
    rawInputContents: tensors.map(({ data }) => data),
  };
}

/** A server may answer more than it was asked for, and typed or raw. @throws MillraceError unavailable where it is not what the protocol says */
function readAnswer(model: string, answer: ModelInferResponse, wanted: readonly string[]): RawTensor[] {
  let given: RawTensor[];
  try {
    given = rawInputs(model, answer.outputs, answer.rawOutputContents);
  } catch (error) {
    throw new MillraceError(
      'unavailable',
      `upstream model '${model}' answered what cannot be read: ${errorMessage(error)}`,
      {
        cause: error,
      },
    );
  }
  if (wanted.length === 0) return given;
  return wanted.map((name) => {
    const found = given.find((output) => output.name === name);
    if (found === undefined)
      throw new MillraceError('unavailable', `upstream model '${model}' answered without its output '${name}'`);
    return found;
  });
}

/** The caller's fault only where the server says so; everything else is a server that could not answer. */
function fromUpstream(error: ServiceError): MillraceError {
  const words = boundedText(`upstream: ${error.details || error.message}`);
  const cause = { cause: error };
  if (error.code === status.INVALID_ARGUMENT) return new MillraceError('invalid-argument', words, cause);
  if (error.code === status.DEADLINE_EXCEEDED) return new MillraceError('deadline-exceeded', words, cause);
  return new MillraceError('unavailable', words, cause);
}

/** Without what tells the breaker that the server is late. */
function hurried(error: unknown): unknown {
  const { code, message } = error as MillraceError;
  return code === 'deadline-exceeded' ? new MillraceError(code, message) : error;
}

/** Away or late; that it refuses one model, or fails in it, says nothing of its others. */
function isAway(error: unknown): boolean {
  const code = ((error as Error).cause as Partial<ServiceError> | undefined)?.code;
  return code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED;
}
