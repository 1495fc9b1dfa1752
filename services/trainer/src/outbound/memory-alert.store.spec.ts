import { describe } from '@jest/globals';
import { alertStoreContract } from '../../test/alert-store.contract.js';
import { MemoryAlertStore } from './memory-alert.store.js';

const store = new MemoryAlertStore();
describe('alerts in memory', () => alertStoreContract(async () => store));
