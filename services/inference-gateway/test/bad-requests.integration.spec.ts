import { once } from 'node:events';
import { connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { credentials, makeGenericClientConstructor, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { token } from '#libs/testing/service-process.js';
import { badBody, goodJson } from './bad-bodies.js';
import { badRequest, good } from './bad-messages.js';
import { randomOf } from './random.js';
import { type GatewayBench, startGatewayBench } from './gateway-bench.js';

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 20_010_409);
const messages = 4_000;
const bodies = 2_000;
/** What a refusal may be: INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED. */
const refusals = [3, 5, 8, 12];
const maxMessageBytes = 4_096;
const maxGrowthBytes = 96 * 2 ** 20;

const path = '/inference.GRPCInferenceService/ModelInfer';
const asIs = (bytes: Buffer) => bytes;
const Raw = makeGenericClientConstructor(
  {
    infer: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
  'raw',
);
type Call = (bytes: Buffer, metadata: Metadata, options: object, done: (error: ServiceError | null) => void) => void;

let bench: GatewayBench;
let clients: InstanceType<typeof Raw>[] = [];
beforeAll(async () => {
  bench = await startGatewayBench();
  clients = [0, 2].map(
    (compression) =>
      new Raw(bench.gateway.grpcAddress, credentials.createInsecure(), {
        'grpc.default_compression_algorithm': compression,
        'grpc.max_send_message_length': -1,
      }),
  );
}, 90_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await bench?.stop();
}, 60_000);

/** Its code and words; 0 = it was answered. */
function infer(bytes: Buffer, client = clients[0]!): Promise<{ code: number; details: string }> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const call = client['infer'] as Call;
  return new Promise((resolve) =>
    call.call(client, bytes, metadata, { deadline: Date.now() + 20_000 }, (error) =>
      resolve({ code: error?.code ?? 0, details: error?.details ?? '' }),
    ),
  );
}

async function post(body: Buffer, headers: object, model = bench.model): Promise<{ status: number; text: string }> {
  const response = await fetch(`${bench.gateway.httpUrl}/v2/models/${model}/infer`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: new Uint8Array(body),
  });
  return { status: response.status, text: await response.text() };
}

const residentBytes = () => bench.gateway.metric('process_resident_memory_bytes');

/** Runs `count` of them, a few at a time. */
async function each(count: number, run: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await run(i);
  };
  await Promise.all(Array.from({ length: 16 }, one));
}

async function sendMessages(count: number, from: number): Promise<string[]> {
  const problems: string[] = [];
  const random = randomOf(from);
  const cases = Array.from({ length: count }, () => badRequest(bench.model, random));
  await each(count, async (i) => {
    const { what, bytes, names } = cases[i]!;
    const { code, details } = await infer(bytes);
    const right = refusals.includes(code) || (names === undefined && code === 0);
    const named = names === undefined || details.includes(names);
    if (!right || !named || Buffer.byteLength(details) > maxMessageBytes)
      problems.push(`${what} (${i}, must name ${names}): ${code} ${details.slice(0, 300)}`);
  });
  return problems;
}

async function sendBodies(count: number, from: number): Promise<string[]> {
  const problems: string[] = [];
  const random = randomOf(from);
  const cases = Array.from({ length: count }, () => badBody(random));
  await each(count, async (i) => {
    const { what, body, headers } = cases[i]!;
    const { status, text } = await post(body, headers);
    const said = (JSON.parse(text) as { error?: unknown }).error;
    const right = [400, 404, 413, 415, 501].includes(status) && typeof said === 'string' && said.length > 10;
    if (!right || text.length > maxMessageBytes) problems.push(`${what} (${i}): ${status} ${text.slice(0, 300)}`);
  });
  return problems;
}

it('thousands of bad messages over gRPC: the right code, the input named, nothing INTERNAL, memory flat', async () => {
  expect(await infer(Buffer.from(ModelInferRequest.encode(good(bench.model)).finish()))).toMatchObject({ code: 0 });
  await sendMessages(messages / 4, seed); // warm
  const before = await residentBytes();
  expect(await sendMessages(messages, seed + 1)).toEqual([]);
  expect((await residentBytes()) - before).toBeLessThan(maxGrowthBytes);
}, 300_000);

it('thousands of bad bodies over HTTP: the right status, an error that says what is wrong, memory flat', async () => {
  expect(await post(Buffer.from(JSON.stringify(goodJson())), {})).toMatchObject({ status: 200 });
  await sendBodies(bodies / 4, seed); // warm
  const before = await residentBytes();
  expect(await sendBodies(bodies, seed + 1)).toEqual([]);
  expect((await residentBytes()) - before).toBeLessThan(maxGrowthBytes);
}, 300_000);

it('names with parts of a path reach nothing over HTTP', async () => {
  for (const name of [
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e',
    'a%2fb',
    '%00',
    'x'.repeat(5_000),
    '__proto__',
    '%F0%9F%98%80'.repeat(300),
  ])
    expect(await post(Buffer.from('{}'), {}, name)).toMatchObject({
      status: 404,
      text: expect.stringMatching(/^\{"error":/),
    });
});

it('what unpacks to more than the bound is refused, over both, and its memory is given back', async () => {
  const bomb = Buffer.alloc(200_000_000);
  const packed = gzipSync(bomb);
  const before = await residentBytes();
  for (let i = 0; i < 10; i++) {
    expect(await infer(bomb, clients[1]!)).toMatchObject({ code: 8, details: expect.stringContaining('larger than') });
    expect((await post(packed, { 'content-encoding': 'gzip' })).status).toBe(413);
  }
  expect((await residentBytes()) - before).toBeLessThan(maxGrowthBytes);
}, 300_000);

it('a compressed message that is none is the fault of its caller', async () => {
  const session = connect(`http://${bench.gateway.grpcAddress}`);
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...headers, 'grpc-encoding': 'gzip', authorization: `Bearer ${token}` });
  stream.end(Buffer.from([1, 0, 0, 0, 4, 1, 2, 3, 4]));
  stream.resume();
  const [answer] = (await Promise.race([once(stream, 'trailers'), once(stream, 'response')])) as [
    Record<string, string>,
  ];
  const status =
    answer['grpc-status'] ?? ((await once(stream, 'trailers')) as [Record<string, string>])[0]['grpc-status'];
  expect(status).toBe('3');
  session.close();
});

it('and it still answers', async () => {
  expect(await infer(Buffer.from(ModelInferRequest.encode(good(bench.model)).finish()))).toMatchObject({ code: 0 });
});
