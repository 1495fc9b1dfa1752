// node load-tests/peers/compare.mjs: the same models behind Millrace, a bare gRPC server and other serving systems, one after another. See README.md here.
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled } from '../../deploy/local/prepare.mjs';

const root = new URL('../..', import.meta.url).pathname;
await ensureInstalled(root);
await ensureBuilt(root);
process.env.MILLRACE_CACHE ??= join(root, '.millrace/cache');
await import('../../dist/load-tests/peers/compare.main.js');
