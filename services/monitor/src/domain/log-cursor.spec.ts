import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from './log-cursor.js';

describe('the cursor of the prediction log', () => {
  it('comes back as it was, whatever the id', () => {
    for (const predictionId of ['w1-1', 'a/b/c', 'é \n', '-'])
      for (const asOfMs of [0, 992_131_200_000, -5])
        expect(decodeCursor(encodeCursor({ asOfMs, predictionId }))).toEqual({ asOfMs, predictionId });
  });

  it('is refused where it is none', () => {
    const made = encodeCursor({ asOfMs: 1, predictionId: 'x' });
    const others = ['x', `${made}=`, `${made} `, 'MTIz', Buffer.from('1e3/x').toString('base64url'), 'é'.repeat(500)];
    for (const text of others)
      expect(() => decodeCursor(text)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});
