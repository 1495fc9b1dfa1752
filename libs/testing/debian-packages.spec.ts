import { describe, expect, it } from '@jest/globals';
import { ofSuite } from './debian-packages.js';

describe('sources of another release of Debian', () => {
  it('are those of the machine with the suite replaced, in both formats', () => {
    const deb822 = 'Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main\n';
    expect(ofSuite(deb822, 'bookworm', 'trixie')).toBe(deb822.replaceAll('bookworm', 'trixie'));
    const line = 'deb [signed-by=/k] http://mirror/debian-security bookworm-security main\n';
    expect(ofSuite(line, 'bookworm', 'trixie')).toBe(line.replace('bookworm', 'trixie'));
    expect(ofSuite('Suites: bookworm', 'bookworm', 'trixie')).toBe('Suites: trixie');
  });

  it('leave alone what only has the name in it', () => {
    const others = 'deb http://mirror/bookworm cloud-sdk-bookworm main\nSuites: bookworm-backports-sloppy bookworms\n';
    expect(ofSuite(others, 'bookworm', 'trixie')).toBe(others);
  });
});
