#!/usr/bin/env node
// The millrace command: compiles when sources are newer than the build, then runs it.
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = new URL('../..', import.meta.url).pathname;
await ensureInstalled(root);
await ensureBuilt(root);
await import(`${root}dist/services/cli/src/main.js`);
