import { expect, it } from '@jest/globals';
import { LineageSettings } from './lineage.settings.js';

const settings = (url: string, key = '') => new LineageSettings('postgres://x', url, key, '127.0.0.1:7209');

it('lineage is sent on to http or https, with a key only where nobody listens in, and never to the service itself', () => {
  expect(settings('').forwardsToItself).toBe(false);
  expect(settings('http://marquez:5000').forwardsToItself).toBe(false);
  expect(settings('https://marquez.example.org', 'key').forwardsToItself).toBe(false);
  expect(settings('http://127.0.0.1:5000', 'key').forwardsToItself).toBe(false);
  expect(settings('http://127.0.0.1:7209/').forwardsToItself).toBe(true);
  expect(() => settings('marquez:5000')).toThrow(/OPENLINEAGE_URL: "marquez:5000" has to be an http/);
  expect(() => settings('http://marquez:5000', 'key')).toThrow(/OPENLINEAGE_URL \(with OPENLINEAGE_API_KEY\)/);
});
