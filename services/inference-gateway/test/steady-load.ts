import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  GRPCInferenceServiceClient,
  type ModelInferResponse,
  ModelInferRequest,
  type ModelStreamInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { token } from '#libs/testing/service-process.js';

export interface Gateway {
  readonly grpcAddress: string;
  readonly httpUrl: string;
}

export interface Failure {
  readonly requestId: string;
  readonly words: string;
  /** Of gRPC; undefined = over REST. */
  readonly code: number | undefined;
}

const connections = 3;
const callersOfEach = 4;
const restCallers = 4;
const streamWindow = 10;
/** After a call that failed. */
const backoffMs = 20;

/**
 * Applications that ask all the time and never try again by themselves: unary calls over several connections, one stream, REST over connections that are kept. What a standard client does goes without
 * saying: gRPC knows both addresses and turns to whichever is there; REST goes to the next address where a connection is refused.
 */
export class SteadyLoad {
  /** Request id -> prediction id. */
  readonly answered = new Map<string, string>();
  readonly failures: Failure[] = [];
  slowestMs = 0;
  /** How often the stream's server ended it. */
  streamsEnded = 0;
  private readonly stopping = new AbortController();
  private readonly callers: Promise<void>[];
  private next = 0;

  constructor(
    private readonly endpoint: string,
    private readonly gateways: readonly Gateway[],
  ) {
    const repeated = (count: number, run: () => Promise<void>) => Array.from({ length: count }, run);
    this.callers = [
      ...repeated(connections, () => this.callOverOne()),
      this.stream(),
      ...repeated(restCallers, () => this.callRest(new Agent({ keepAlive: true, maxSockets: 1 }))),
    ];
  }

  /** Resolves when the last call is over. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.callers);
  }

  private ask(): { id: string; request: ModelInferRequest } {
    const id = `${this.endpoint}-${(this.next += 1)}`;
    const request = ModelInferRequest.fromPartial({
      modelName: this.endpoint,
      id,
      inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 3] }],
      rawInputContents: [Buffer.from(Float32Array.of(this.next % 97, 2, 3).buffer)],
    });
    return { id, request };
  }

  private client(): GRPCInferenceServiceClient {
    const addresses = this.gateways.map(({ grpcAddress }) => grpcAddress).join(',');
    return new GRPCInferenceServiceClient(`ipv4:${addresses}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 200,
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    });
  }

  private async callOverOne(): Promise<void> {
    const client = this.client();
    const caller = async (): Promise<void> => {
      while (!this.stopping.signal.aborted) await this.callUnary(client);
    };
    await Promise.all(Array.from({ length: callersOfEach }, caller));
    client.close();
  }

  private callUnary(client: GRPCInferenceServiceClient): Promise<void> {
    const { id, request } = this.ask();
    const startedMs = performance.now();
    return new Promise((resolve) => {
      client.modelInfer(request, metadata(), { deadline: Date.now() + 10_000 }, (error, response) => {
        if (error === null) return resolve(this.answer(id, response, startedMs));
        this.failures.push({ requestId: id, words: error.message, code: error.code });
        setTimeout(resolve, backoffMs);
      });
    });
  }

  private answer(id: string, response: ModelInferResponse, startedMs: number): void {
    const at = response.outputs.findIndex(({ name }) => name === 'prediction_id');
    this.answered.set(id, response.rawOutputContents[at]!.toString('utf8', 4));
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
  }

  /** What a stream has not answered when its server ends it was not worked on, and is asked again over the next. */
  private async stream(): Promise<void> {
    const client = this.client();
    let open: { id: string; request: ModelInferRequest }[] = [];
    while (!this.stopping.signal.aborted || open.length > 0) open = await this.overStream(client, open);
    client.close();
  }

  private async overStream(client: GRPCInferenceServiceClient, left: ReturnType<SteadyLoad['ask']>[]) {
    const stream = client.modelStreamInfer(metadata());
    const open = new Map<string, { request: ModelInferRequest; startedMs: number }>();
    const send = ({ id, request }: ReturnType<SteadyLoad['ask']>): void => {
      open.set(id, { request, startedMs: performance.now() });
      stream.write(request);
    };
    stream.on('data', ({ inferResponse, errorMessage }: ModelStreamInferResponse) => {
      const { id } = inferResponse!;
      const asked = open.get(id);
      open.delete(id);
      const code = errorMessage.includes('not at ready state') ? 14 : undefined;
      if (errorMessage !== '') this.failures.push({ requestId: id, words: errorMessage, code });
      else this.answer(id, inferResponse!, asked!.startedMs);
      if (!this.stopping.signal.aborted) send(this.ask());
      else if (open.size === 0) stream.end();
    });
    for (const one of left) send(one);
    while (open.size < streamWindow) send(this.ask());
    stream.on('error', ({ code, message }: ServiceError) => {
      if (code !== 14) this.failures.push({ requestId: 'stream', words: message, code });
      this.streamsEnded += 1;
    });
    await new Promise((resolve) => stream.on('status', resolve));
    if (open.size > 0) await sleep(backoffMs);
    return [...open].map(([id, { request }]) => ({ id, request }));
  }

  private async callRest(agent: Agent): Promise<void> {
    let at = 0;
    while (!this.stopping.signal.aborted) {
      const { id } = this.ask();
      for (let tries = 0; tries < 2 * this.gateways.length; tries++) {
        const error = await this.post(agent, this.gateways[at % this.gateways.length]!.httpUrl, id);
        if (error === undefined) break;
        if (!error.includes('ECONNREFUSED')) {
          this.failures.push({ requestId: id, words: error, code: undefined });
          break;
        }
        at += 1;
        await sleep(backoffMs);
      }
    }
    agent.destroy();
  }

  /** @returns what it failed with */
  private post(agent: Agent, url: string, id: string): Promise<string | undefined> {
    const data = [this.next % 97, 2, 3];
    const body = JSON.stringify({ id, inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 3], data }] });
    const startedMs = performance.now();
    return new Promise((resolve) => {
      const asked = httpRequest(`${url}/v2/models/${this.endpoint}/infer`, {
        method: 'POST',
        agent,
        headers: { authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(body) },
      });
      asked.on('error', (error: NodeJS.ErrnoException) => resolve(`${error.code}: ${error.message}`));
      asked.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('error', (error) => resolve(error.message));
        response.on('end', () => {
          if (response.statusCode !== 200) return resolve(`${response.statusCode}: ${text}`);
          const { outputs } = JSON.parse(text) as { outputs: { name: string; data: string[] }[] };
          this.answered.set(id, outputs.find(({ name }) => name === 'prediction_id')!.data[0]!);
          this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
          resolve(undefined);
        });
      });
      asked.end(body);
    });
  }
}

function metadata(): Metadata {
  const made = new Metadata();
  made.set('authorization', `Bearer ${token}`);
  return made;
}
