import { join } from 'node:path';
import { projectRoot } from '#libs/storage/sql-file.js';
import { freePort } from '#libs/testing/service-process.js';
import { inferRequest, inferScores, modelInfer } from '../open-inference-messages.js';
import type { Peer } from '../peer.js';
import { startPinned, untilListening } from '../start-pinned.js';

export const control: Peer = {
  name: 'grpc-js control',
  note: 'bare @grpc/grpc-js, static codec, the model in the same process, natural batching; no identity, no log, no routing',
  version: async () => `node ${process.versions.node}`,
  serve: async ({ file }) => {
    const port = await freePort();
    const main = join(projectRoot(), 'dist/load-tests/peers/control/control.main.js');
    const child = startPinned(process.execPath, [main, file, String(port)]);
    await untilListening(port, child);
    return {
      pids: [child.pid],
      protocol: 'grpc',
      address: `127.0.0.1:${port}`,
      path: modelInfer,
      headers: {},
      request: (rows) => inferRequest('model', 'input', rows),
      scores: inferScores,
      stop: child.stop,
    };
  },
};
