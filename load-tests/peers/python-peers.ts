import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inferRequest, inferScores, modelInfer } from './open-inference-messages.js';
import { featureCount, type Served } from './peer.js';
import type { PythonPeer } from './python-peer.js';

const openInference: PythonPeer['wire'] = {
  protocol: 'grpc',
  path: modelInfer,
  headers: {},
  request: (rows) => inferRequest('model', 'input', rows),
  scores: inferScores,
};

/** `{"features": [[...], ...]}` over HTTP/1.1, of a peer that has no gRPC. */
function json(path: string, scoresOf: (answer: unknown) => readonly number[]): PythonPeer['wire'] {
  const request: Served['request'] = (rows) => {
    const count = rows.length / featureCount;
    const features = Array.from({ length: count }, (_, i) => [
      ...rows.subarray(i * featureCount, (i + 1) * featureCount),
    ]);
    return Buffer.from(JSON.stringify({ features }));
  };
  const scores: Served['scores'] = (answer) => Float32Array.from(scoresOf(JSON.parse(Buffer.from(answer).toString())));
  return { protocol: 'http', path, headers: { 'content-type': 'application/json' }, request, scores };
}

/** MLServer is told of a model by files. */
function mlserverFolder(work: string, [grpcPort, httpPort, metricsPort]: readonly number[]): string {
  const settings = {
    debug: false,
    host: '127.0.0.1',
    grpc_port: grpcPort,
    http_port: httpPort,
    metrics_port: metricsPort,
    parallel_workers: 0,
  };
  const model = { name: 'model', implementation: 'runtime.Runtime' };
  const folder = join(work, 'models');
  mkdirSync(folder);
  writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings));
  writeFileSync(join(folder, 'model-settings.json'), JSON.stringify(model));
  return folder;
}

export const pythonPeers: readonly PythonPeer[] = [
  {
    folder: 'triton',
    name: 'Triton (Python backend)',
    note: 'from the nvidia-pytriton wheel, which has no ONNX backend in C++: Triton’s server batches, the model runs in Python behind it',
    packages: ['nvidia-pytriton', 'onnxruntime'],
    ports: 3,
    wire: openInference,
    command: (ports, source) => [join(source, 'server.py'), ...ports.map(String)],
  },
  {
    folder: 'mlserver',
    name: 'MLServer',
    note: 'a runtime of ours, for it has none for ONNX; in the server’s own process, without adaptive batching',
    packages: ['mlserver', 'onnxruntime'],
    ports: 3,
    wire: openInference,
    command: (ports, _source, work) => ['-m', 'mlserver.cli.main', 'start', mlserverFolder(work, ports)],
  },
  {
    folder: 'kserve',
    name: 'KServe',
    note: 'its model server alone, one worker, no Kubernetes before it',
    packages: ['kserve', 'onnxruntime'],
    ports: 2,
    wire: openInference,
    command: (ports, source) => [join(source, 'server.py'), ...ports.map(String)],
  },
  {
    folder: 'litserve',
    name: 'LitServe',
    note: 'JSON over HTTP/1.1, one worker, batches of up to 64 requests',
    packages: ['litserve', 'onnxruntime'],
    ports: 1,
    wire: json('/predict', (answer) => (answer as { scores: number[] }).scores),
    command: ([port], source) => [join(source, 'server.py'), String(port)],
  },
  {
    folder: 'bentoml',
    name: 'BentoML',
    note: 'JSON over HTTP/1.1, one worker',
    packages: ['bentoml', 'onnxruntime'],
    ports: 1,
    wire: json('/predict', (answer) => (answer as number[][]).flat()),
    command: ([port], source) => {
      const where = ['--working-dir', source, '--host', '127.0.0.1', '--port', String(port)];
      return ['-m', 'bentoml', 'serve', 'service:Peer', ...where];
    },
  },
];
