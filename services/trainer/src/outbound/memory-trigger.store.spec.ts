import { describe } from '@jest/globals';
import { triggerStoreContract } from '../../test/trigger-store.contract.js';
import { MemoryTriggerStore } from './memory-trigger.store.js';

const store = new MemoryTriggerStore();
describe('triggers in memory', () => triggerStoreContract(async () => store));
