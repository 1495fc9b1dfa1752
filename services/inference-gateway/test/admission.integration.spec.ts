import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  type ModelStreamInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';
import { type GatewayBench, startGatewayBench, strangersBurst, strangersToken } from './gateway-bench.js';

/** So many calls at a time, whatever they take. */
const most = 10;
let bench: GatewayBench;
let peer: Peer<GRPCInferenceServiceClient>;
beforeAll(async () => {
  bench = await startGatewayBench({ MIN_CALLS_IN_FLIGHT: String(most), MAX_CALLS_IN_FLIGHT: String(most) });
  peer = new Peer(GRPCInferenceServiceClient, 'gateway', bench.gateway.grpcAddress, token);
}, 90_000);
beforeEach(() => {
  bench.slowMs = 400;
});
afterAll(async () => {
  peer?.close();
  await bench?.stop();
}, 60_000);

const inFlight = 'millrace_inference_gateway_calls_in_flight';

function request(minute: number, priority = 0): ModelInferRequest {
  const contents = { intContents: [minute] };
  return ModelInferRequest.fromPartial({
    modelName: bench.single,
    id: String(minute),
    inputs: [{ name: 'minute', datatype: 'INT32', shape: [1], contents }],
    parameters: { priority: { parameterChoice: { $case: 'int64Param', int64Param: priority } } },
  });
}

/** The status of a call: 0 = answered. */
function infer(priority = 0): Promise<{ code: number; pushback: string | undefined }> {
  return new Promise((resolve) => {
    const done = (error: ServiceError | null) =>
      resolve({
        code: error?.code ?? 0,
        pushback: error?.metadata.get('grpc-retry-pushback-ms')[0]?.toString(),
      });
    peer.stub.modelInfer(request(1, priority), peer.metadata as Metadata, done);
  });
}

const infers = (count: number, priority = 0) => Promise.all(Array.from({ length: count }, () => infer(priority)));
const answered = (calls: { code: number }[]): number => calls.filter(({ code }) => code === 0).length;

it('overload sheds early with RESOURCE_EXHAUSTED, and says when to come again', async () => {
  const calls = await infers(50);
  expect(answered(calls)).toBe(most);
  for (const { code, pushback } of calls.filter((call) => call.code !== 0)) {
    expect(code).toBe(8);
    expect(Number(pushback)).toBeGreaterThanOrEqual(20);
    expect(Number(pushback)).toBeLessThanOrEqual(1_000);
  }
  expect(await bench.gateway.metric('millrace_inference_gateway_shed_total')).toBe(40);
  expect(answered(await infers(most))).toBe(most);
}, 30_000);

it('calls of a lower priority leave room for those of a higher', async () => {
  bench.slowMs = 800;
  const low = infers(most, 3);
  await until(async () => (await bench.gateway.metric(inFlight)) === 5);
  const high = await infers(most, 1);
  expect({ low: answered(await low), high: answered(high) }).toEqual({ low: 5, high: 5 });
}, 30_000);

it('a caller that has used up its quota is told so, and others are not', async () => {
  bench.slowMs = 0;
  const stranger = new Peer(GRPCInferenceServiceClient, 'gateway', bench.gateway.grpcAddress, strangersToken);
  const one = (name: string, datatype: string, contents: object) => ({ name, datatype, shape: [1], contents });
  const inputs = [
    one('flight_id', 'BYTES', { bytesContents: [Buffer.from('x')] }),
    one('minute', 'INT32', { intContents: [1] }),
    one('seats', 'INT64', { int64Contents: [180] }),
    one('distance', 'FP64', { fp64Contents: [862.5] }),
    one('hub', 'BOOL', { boolContents: [true] }),
  ];
  const asked = ModelInferRequest.fromPartial({ modelName: bench.model, inputs });
  for (let i = 0; i < strangersBurst; i++) await stranger.call((stub) => stub.modelInfer, asked, 5_000);
  await expect(stranger.call((stub) => stub.modelInfer, asked, 5_000)).rejects.toMatchObject({
    code: 'resource-exhausted',
    message: expect.stringMatching(/stranger has used up its quota: policy oip-.* allows oip-.* 0.1 requests a second/),
  });
  await peer.call((stub) => stub.modelInfer, asked, 5_000);
  stranger.close();
}, 30_000);

it('REST says 429 with Retry-After, and a stream answers the message that was too many', async () => {
  bench.slowMs = 800;
  const others = infers(most);
  await until(async () => (await bench.gateway.metric(inFlight)) === most);
  const response = await fetch(`${bench.gateway.httpUrl}/v2/models/${bench.single}/infer`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ inputs: [{ name: 'minute', datatype: 'INT32', shape: [1], data: [1] }] }),
  });
  expect({ status: response.status, retryAfter: response.headers.get('retry-after') }).toEqual({
    status: 429,
    retryAfter: '1',
  });
  const stream = peer.stub.modelStreamInfer(peer.metadata);
  const answer = await new Promise<ModelStreamInferResponse>((resolve) => {
    stream.on('data', resolve);
    stream.write(request(7));
  });
  stream.end();
  expect(answer.errorMessage).toMatch(/10 calls are worked on, and the gateway takes 10 at a time/);
  expect(answer.inferResponse!.id).toBe('7');
  expect(answered(await others)).toBe(most);
}, 30_000);
