import { gzipSync } from 'node:zlib';
import { Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  type ModelStreamInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { token } from '#libs/testing/service-process.js';
import { type GatewayBench, startGatewayBench, strangersToken } from './gateway-bench.js';

let bench: GatewayBench;
let peer: Peer<GRPCInferenceServiceClient>;
beforeAll(async () => {
  bench = await startGatewayBench();
  peer = new Peer(GRPCInferenceServiceClient, 'gateway', bench.gateway.grpcAddress, token);
}, 90_000);
afterAll(async () => {
  peer?.close();
  await bench?.stop();
}, 60_000);

/** One row, by its minute. */
function request(minute: number, more: object = {}): ModelInferRequest {
  const one = (name: string, datatype: string, contents: object) => ({ name, datatype, shape: [1], contents });
  return ModelInferRequest.fromPartial({
    modelName: bench.model,
    id: String(minute),
    inputs: [
      one('flight_id', 'BYTES', { bytesContents: [Buffer.from('x')] }),
      one('minute', 'INT32', { intContents: [minute] }),
      one('seats', 'INT64', { int64Contents: [180] }),
      one('distance', 'FP64', { fp64Contents: [862.5] }),
      one('hub', 'BOOL', { boolContents: [true] }),
    ],
    ...more,
  });
}

function openStream(asking = token, options: { deadline?: number } = {}) {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${asking}`);
  const stream = peer.stub.modelStreamInfer(metadata, options);
  const answers: ModelStreamInferResponse[] = [];
  stream.on('data', (answer: ModelStreamInferResponse) => answers.push(answer));
  const ended = new Promise<{ code: number; details: string }>((resolve) => stream.on('status', resolve));
  stream.on('error', () => undefined); // `ended` has it
  return { stream, answers, ended };
}

describe('ModelStreamInfer', () => {
  it('answers in the order of the requests, many in flight, and an error ends nothing', async () => {
    const { stream, answers, ended } = openStream();
    for (let i = 0; i < 200; i++) stream.write(request(i, i % 50 === 3 ? { modelName: 'no-such-model' } : {}));
    stream.end();
    expect(await ended).toMatchObject({ code: 0 });
    expect(answers.map(({ inferResponse }) => inferResponse!.id)).toEqual(
      Array.from({ length: 200 }, (_, i) => String(i)),
    );
    const wrong = answers.filter(({ errorMessage }) => errorMessage !== '');
    expect(wrong.map(({ inferResponse }) => inferResponse!.id)).toEqual(['3', '53', '103', '153']);
    expect(wrong[0]!.errorMessage).toBe("Request for unknown model: 'no-such-model' is not found");
    for (const { inferResponse } of answers)
      expect(inferResponse!.parameters['triton_final_response']?.parameterChoice).toMatchObject({ boolParam: true });
  }, 30_000);

  it('holds each message against what its caller may', async () => {
    const { stream, answers, ended } = openStream(strangersToken);
    stream.write(request(1));
    stream.write(request(2, { modelName: bench.rollingOut }));
    stream.write(request(3));
    stream.end();
    await ended;
    expect(answers.map(({ errorMessage }) => errorMessage)).toEqual([
      '',
      expect.stringContaining(`may not predict endpoints/${bench.rollingOut}`),
      '',
    ]);
  }, 30_000);

  it('does not read on while its answers are not read, and goes on where they are', async () => {
    const { stream, answers, ended } = openStream();
    stream.pause();
    const predicted = () => bench.gateway.metric('millrace_inference_gateway_predictions_total');
    const before = await predicted();
    const many = { ...request(7), id: 'i'.repeat(1_000) };
    for (let i = 0; i < 20_000; i++) stream.write(many);
    stream.end();
    let taken = 0;
    for (let now = 0; now === 0 || now !== taken; now = (await predicted()) - before) {
      taken = now;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(taken).toBeLessThan(10_000);
    stream.resume();
    await ended;
    expect(answers).toHaveLength(20_000);
  }, 120_000);

  it('ends with the deadline of its call', async () => {
    bench.slowMs = 1_500;
    const { stream, ended } = openStream(token, { deadline: Date.now() + 300 });
    stream.write(request(1));
    const { code } = await ended;
    bench.slowMs = 0;
    expect(code).toBe(4);
  }, 30_000);

  it('works on for others when a caller has gone', async () => {
    bench.slowMs = 200;
    const { stream, ended } = openStream();
    for (let i = 0; i < 50; i++) stream.write(request(i));
    await new Promise((resolve) => setTimeout(resolve, 50));
    stream.cancel();
    expect(await ended).toMatchObject({ code: 1 });
    bench.slowMs = 0;
    expect(await peer.call((stub) => stub.modelInfer, request(9), 5_000)).toMatchObject({ id: '9' });
  }, 30_000);
});

describe('a timeout', () => {
  it("in a request answers UNAVAILABLE with Triton's words, within it", async () => {
    bench.slowMs = 800;
    const parameters = { timeout: { parameterChoice: { $case: 'int64Param' as const, int64Param: 50_000 } } };
    const startedMs = Date.now();
    await expect(peer.call((stub) => stub.modelInfer, request(1, { parameters }), 5_000)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('Request timeout expired'),
    });
    expect(Date.now() - startedMs).toBeLessThan(700);
    bench.slowMs = 0;
  }, 30_000);
});

interface Answer {
  status: number;
  headers: Headers;
  body: Buffer;
  json: Record<string, unknown>;
}

async function http(method: string, path: string, body?: Buffer | object, headers: object = {}): Promise<Answer> {
  const response = await fetch(`${bench.gateway.httpUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'accept-encoding': 'identity', ...headers },
    ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const length = Number(response.headers.get('inference-header-content-length') ?? bytes.length);
  const text = bytes.toString('utf8', 0, length);
  return { status: response.status, headers: response.headers, body: bytes, json: text === '' ? {} : JSON.parse(text) };
}

const rest = (minute: number) => ({
  id: 'r-7',
  inputs: [
    { name: 'flight_id', datatype: 'BYTES', shape: [2, 1], data: [['x'], ['ü']] },
    { name: 'minute', datatype: 'INT32', shape: [2], data: [minute, minute + 1] },
    { name: 'seats', datatype: 'INT64', shape: [2], data: [180, 180] },
    { name: 'distance', datatype: 'FP32', shape: [2], data: [862.5, 10] },
    { name: 'hub', datatype: 'BOOL', shape: [2], data: [true, false] },
  ],
});

describe('over HTTP', () => {
  const infer = () => `/v2/models/${bench.model}/infer`;

  it('JSON goes in, flat or nested, and comes out', async () => {
    const { status, json, headers } = await http('POST', infer(), rest(100));
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(json).toMatchObject({ model_name: bench.model, model_version: '3', id: 'r-7' });
    expect(json['outputs']).toMatchObject([
      { name: 'probability', datatype: 'FP32', shape: [2], data: [expect.closeTo(0.1, 6), expect.closeTo(0.101, 6)] },
      { name: 'prediction_id', datatype: 'BYTES', shape: [2], data: [expect.any(String), expect.any(String)] },
    ]);
  });

  it('binary comes back for the outputs that ask for it alone', async () => {
    const outputs = [{ name: 'prediction_id' }, { name: 'probability', parameters: { binary_data: true } }];
    const { json, body, headers } = await http('POST', infer(), { ...rest(100), outputs });
    expect(headers.get('content-type')).toBe('application/octet-stream');
    expect(json['outputs']).toMatchObject([{ data: expect.any(Array) }, { parameters: { binary_data_size: 8 } }]);
    expect(body.readFloatLE(body.length - 8)).toBeCloseTo(0.1);
    expect(Number(headers.get('inference-header-content-length'))).toBe(body.length - 8);
  });

  it('packs its answer as accept-encoding says', async () => {
    for (const [accepted, encoding] of [
      ['gzip', 'gzip'],
      ['deflate', 'deflate'],
      ['gzip;q=0, deflate;q=0.5', 'deflate'],
      ['br', null],
    ] as const) {
      const { status, headers, json } = await http('POST', infer(), rest(1), { 'accept-encoding': accepted });
      expect([status, headers.get('content-encoding'), json['id']]).toEqual([200, encoding, 'r-7']);
    }
  });

  it('takes packed bodies, and refuses what unpacks to more than its bound', async () => {
    const gzip = { 'content-encoding': 'gzip' };
    expect((await http('POST', infer(), gzipSync(JSON.stringify(rest(1))), gzip)).status).toBe(200);
    expect(await http('POST', infer(), gzipSync(Buffer.alloc(50_000_000)), gzip)).toMatchObject({
      status: 413,
      json: { error: expect.stringContaining('unpacked too') },
    });
    expect(await http('POST', infer(), Buffer.from('{}'), gzip)).toMatchObject({ status: 400 });
    expect(await http('POST', infer(), Buffer.from('{}'), { 'content-encoding': 'br' })).toMatchObject({ status: 415 });
  });

  it.each([
    ['GET', '/v2/health/live', 200, { live: true }],
    ['GET', '/v2/health/ready', 200, { ready: true }],
    ['GET', '/v2', 200, { name: 'millrace' }],
    ['GET', '/v2/models/M', 200, { name: 'M', versions: ['3'], platform: 'onnxruntime_onnx' }],
    ['GET', '/v2/models/M/versions/3', 200, { name: 'M' }],
    ['GET', '/v2/models/M/versions/3/ready', 200, { name: 'M', ready: true }],
    ['GET', '/v2/models/M/versions/9/ready', 400, { error: 'Model version not ready' }],
    ['GET', '/v2/models/M/config', 200, { name: 'M', max_batch_size: 1_000 }],
    ['GET', '/v2/models/M/stats', 200, { model_stats: [{ name: 'M', version: '3' }] }],
    ['GET', '/v2/models/M/versions/9', 404, { error: "Request for unknown model: 'M' version 9 is not found" }],
    ['GET', '/v2/models/nobody', 404, { error: "Request for unknown model: 'nobody' is not found" }],
    ['GET', '/v2/models/M/infer', 405, { error: 'GET is not allowed here, use POST' }],
    ['DELETE', '/v2/models/M', 405, { error: 'DELETE is not allowed here, use GET or HEAD' }],
    ['POST', '/v2/health/live', 405, { error: 'POST is not allowed here, use GET or HEAD' }],
    ['GET', '/v2/nothing', 404, { error: 'Cannot GET /v2/nothing' }],
    ['POST', '/v2/repository/models/M/load', 501, { error: expect.stringContaining('goes live by its rollout') }],
    ['POST', '/v2/repository/models/M/unload', 501, { error: expect.stringContaining('unload by themselves') }],
    ['POST', '/v2/models/M/generate', 501, { error: expect.stringContaining('generate is not offered') }],
    ['GET', '/v2/trace/setting', 501, { error: expect.stringContaining('OpenTelemetry') }],
    ['POST', '/v2/logging', 501, { error: expect.stringContaining('LOG_LEVEL') }],
    ['GET', '/v2/systemsharedmemory/status', 501, { error: expect.stringContaining('shared memory') }],
    ['GET', '/v2/models/%ff', 400, { error: expect.stringContaining('percent-encoded') }],
  ])('%s %s is %i', async (method, path, status, body) => {
    const named = JSON.parse(JSON.stringify(body).replaceAll(/\bM\b/g, bench.model), (_, value) => value) as object;
    const answer = await http(method, path.replace('/M', `/${bench.model}`));
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject(status === 501 || path.includes('%ff') ? body : named);
    if (status === 405) expect(answer.headers.get('allow')).not.toBeNull();
  });

  it('lists what can be asked', async () => {
    expect((await http('GET', '/v2/models')).json['models']).toEqual(
      expect.arrayContaining([bench.model, bench.single]),
    );
    const index = (await http('POST', '/v2/repository/index', { ready: true })).json as unknown as object[];
    expect(index).toEqual(
      expect.arrayContaining([{ name: bench.rollingOut, version: '4', state: 'READY', reason: '' }]),
    );
  });

  it('health alone is open, and a role is needed for the rest', async () => {
    expect((await http('GET', '/v2/health/ready', undefined, { authorization: '' })).status).toBe(200);
    expect((await http('GET', '/v2', undefined, { authorization: '' })).status).toBe(401);
    const stranger = { authorization: `Bearer ${strangersToken}` };
    expect((await http('POST', infer(), rest(1), stranger)).status).toBe(200);
    expect(await http('POST', `/v2/models/${bench.single}/infer`, rest(1), stranger)).toMatchObject({
      status: 403,
      json: { error: expect.stringContaining(`may not predict endpoints/${bench.single}`) },
    });
  });
});

// Last: it ends the gateway.
it('a stream has its answers when the gateway stops, and is told that it did', async () => {
  bench.slowMs = 300;
  const { stream, answers, ended } = openStream();
  for (let i = 0; i < 20; i++) stream.write(request(i));
  const before = await bench.gateway.metric('millrace_inference_gateway_feature_batch_rows_sum');
  for (let now = before; now < before + 1;)
    now = await bench.gateway.metric('millrace_inference_gateway_feature_batch_rows_sum');
  const code = await bench.gateway.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 14, details: 'shutting down' });
  expect(answers.length).toBeGreaterThan(0);
  for (const { errorMessage } of answers) expect(errorMessage).toBe('');
  expect(code).toBe(0);
}, 30_000);
