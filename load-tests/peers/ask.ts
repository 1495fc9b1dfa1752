import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { Served } from './peer.js';

const patienceMs = 10_000;

/** One question, by this process: is the answer the model's? */
export async function ask(served: Served, rows: Float32Array): Promise<Float32Array> {
  const message = served.request(rows);
  return served.scores(await (served.protocol === 'grpc' ? askGrpc(served, message) : askHttp(served, message)));
}

function askGrpc({ address, path, headers }: Served, message: Uint8Array): Promise<Uint8Array> {
  const client = new Client(address, credentials.createInsecure());
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const deadline = Date.now() + patienceMs;
  const bytes = (value: Uint8Array): Buffer => Buffer.from(value);
  const same = (value: Buffer): Buffer => value;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, bytes, same, message, metadata, { deadline }, (error, answer) => {
      client.close();
      if (error) reject(error);
      else resolve(answer!);
    });
  });
}

async function askHttp({ address, path, headers }: Served, body: Uint8Array): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(patienceMs);
  const response = await fetch(`http://${address}${path}`, {
    method: 'POST',
    body: Buffer.from(body),
    headers,
    signal,
  });
  const answer = new Uint8Array(await response.arrayBuffer());
  if (!response.ok) throw new Error(`HTTP ${response.status} ${Buffer.from(answer).toString().slice(0, 300)}`);
  return answer;
}
