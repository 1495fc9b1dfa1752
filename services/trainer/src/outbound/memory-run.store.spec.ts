import { describe } from '@jest/globals';
import { runStoreContract } from '../../test/run-store.contract.js';
import { MemoryRunStore } from './memory-run.store.js';

const store = new MemoryRunStore();
describe('runs in memory', () => runStoreContract(async () => store));
