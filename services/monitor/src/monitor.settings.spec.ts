import { expect, it } from '@jest/globals';
import { webhookAddress } from './monitor.settings.js';

it('takes a webhook as it is, or from the environment, and names the variable that is not set', () => {
  const env = { PAGER: 'http://127.0.0.1:9/alerts', EMPTY: '' };
  expect(webhookAddress('http://127.0.0.1:8/', env)).toBe('http://127.0.0.1:8/');
  expect(webhookAddress('env:PAGER', env)).toBe('http://127.0.0.1:9/alerts');
  expect(() => webhookAddress('env:MISSING', env)).toThrow('has no MISSING');
  expect(() => webhookAddress('env:EMPTY', env)).toThrow('has no EMPTY');
});
