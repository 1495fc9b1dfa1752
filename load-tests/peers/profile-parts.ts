import type { Profiler } from 'node:inspector';

/** Parts of the gateway by where the code of a function lies, the first that fits. */
const parts: readonly (readonly [part: string, pattern: RegExp])[] = [
  ['@grpc/grpc-js', /node_modules\/@grpc\//],
  ['HTTP/2 and gRPC of our own', /libs\/(http2|rpc\/wire|collections)\//],
  ['protobuf', /node_modules\/@bufbuild\/|contracts\/generated\//],
  ['kafkajs', /node_modules\/kafkajs\//],
  ['prom-client, opossum and other packages', /node_modules\//],
  [
    'write-ahead log, its shipping, files',
    /libs\/wal\/|outbound\/(wal-|row-blocks|prediction-shipper)|node:(internal\/)?fs/,
  ],
  ['sockets, streams, timers and promises of Node', /^node:/],
  [
    'callers: tokens, rights, limits',
    /libs\/auth\/|libs\/rpc\/|inbound\/admission|domain\/(caller-quotas|concurrency-limit)/,
  ],
  ['asking the workers', /outbound\/(worker-pool|multiplexed-stream|turn-batcher|time-left|question-spans|breaker)/],
  ['reading, predicting, answering', /services\/inference-gateway\/|libs\//],
];

const noCode = new Map([
  ['(garbage collector)', 'garbage collection'],
  ['(program)', 'native code outside of functions'],
  // On one core the kernel lets the worker run before it comes back: part of it is the worker's time.
  ['writeBuffer', 'within writes to sockets'],
  ['writev', 'within writes to sockets'],
]);

/** Shares of the time that a thread was at work, by part, the largest first. What V8 does within a function that has no code of its own counts for who called it. Nothing sampled = none. */
export function profileParts({ nodes, samples, timeDeltas }: Profiler.Profile): { part: string; share: number }[] {
  const partOf = new Map<number, string>();
  const nameParts = (node: Profiler.ProfileNode, above: string): void => {
    const part = partAt(node, above);
    partOf.set(node.id, part);
    for (const child of node.children ?? []) nameParts(byId.get(child)!, part);
  };
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const [root] = nodes;
  if (root !== undefined) nameParts(root, 'other');
  const times = new Map<string, number>();
  let total = 0;
  (samples ?? []).forEach((id, i) => {
    if (byId.get(id)!.callFrame.functionName === '(idle)') return;
    const part = partOf.get(id)!;
    times.set(part, (times.get(part) ?? 0) + timeDeltas![i]!);
    total += timeDeltas![i]!;
  });
  return [...times].map(([part, time]) => ({ part, share: time / total })).toSorted((a, b) => b.share - a.share);
}

function partAt({ callFrame: { functionName, url } }: Profiler.ProfileNode, above: string): string {
  const native = noCode.get(functionName);
  if (native !== undefined) return native;
  return url === '' ? above : (parts.find(([, pattern]) => pattern.test(url))?.[0] ?? 'other');
}
