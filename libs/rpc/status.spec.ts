import { describe, expect, it } from '@jest/globals';
import { boundedText } from './status.js';

describe('the words of an error', () => {
  it('stay as they are where they are short', () =>
    expect(boundedText('no such flight: "ü"')).toBe('no such flight: "ü"'));

  it('fit in the trailers of a call, percent-encoded', () => {
    for (const text of ['x', 'ü', '😀', '\u0000'])
      expect(encodeURI(boundedText(text.repeat(100_000))).length).toBeLessThan(7_000);
  });

  it('can be encoded, where half of a pair was cut off too', () => {
    for (const text of ['\ud83d', 'a\ude00b', '😀'.slice(0, 1)])
      expect(() => encodeURI(boundedText(text))).not.toThrow();
  });
});
