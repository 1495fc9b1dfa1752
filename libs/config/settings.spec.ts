import { expect, it } from '@jest/globals';
import { loadSettings, redactAll, setting } from './settings.js';

const shape = {
  LISTEN: setting.address(),
  PEERS: setting.addresses(),
  SIZE: setting.integer(5, 1, 10),
  ON: setting.flag(false),
  MILLRACE_TOKEN: setting.text(),
};

it('reads settings, with what they are when they are left out', () => {
  expect(loadSettings(shape, { LISTEN: '127.0.0.1:1', PEERS: 'a:1, b:2', MILLRACE_TOKEN: 'x' })).toEqual({
    LISTEN: '127.0.0.1:1',
    PEERS: ['a:1', 'b:2'],
    SIZE: 5,
    ON: false,
    MILLRACE_TOKEN: 'x',
  });
});

it('reports every problem at once, by name and value, and no secret', () => {
  let message = '';
  try {
    loadSettings(shape, { LISTEN: 'nowhere', PEERS: 'a:1', SIZE: '11', ON: 'maybe', MILLRACE_TOKEN: '' });
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message.split('\n')).toHaveLength(5);
  expect(message).toMatch(/LISTEN="nowhere": must be host:port/);
  expect(message).toMatch(/SIZE="11"/);
  expect(message).toMatch(/MILLRACE_TOKEN="\*\*\*"/);
});

it('prints settings without secrets', () => {
  expect(redactAll({ CLICKHOUSE_URL: 'http://user:secret@host:1', MILLRACE_TOKENS: 'a=b', SIZE: 1 })).toEqual({
    CLICKHOUSE_URL: 'http://user:***@host:1',
    MILLRACE_TOKENS: '***',
    SIZE: 1,
  });
});
