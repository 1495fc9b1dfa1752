import { describe, expect, it, jest } from '@jest/globals';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { MeshFrame } from '../../views/mesh.view.js';
import { LiveHub, type Part } from './live-hub.js';
import type { MeshPicture } from './mesh-picture.js';
import type { Bulletin } from './ports.js';

const empty: MeshFrame = { atMs: 0, services: [], topics: [], predictionRate: null, problems: [] };

function setUp() {
  const made = { frames: 0, forgotten: 0 };
  const frame = async (): Promise<MeshFrame> => ({ ...empty, atMs: (made.frames += 1) });
  const picture = { history: [], frame, forget: () => (made.forgotten += 1) } as unknown as MeshPicture;
  const bulletin: Bulletin = {
    firing: async () => [],
    rollouts: async () => {
      throw new MillraceError('unavailable', 'registry: is away');
    },
  };
  const hub = new LiveHub(picture, bulletin);
  const look = (...parts: Part[]) => {
    const got: string[] = [];
    const leave = hub.add({ parts: new Set(parts), send: (text) => got.push(text) });
    return { got, leave };
  };
  return { made, hub, look };
}

describe('the live stream', () => {
  it('makes one picture a second for all who look, and none while nobody does', async () => {
    jest.useFakeTimers();
    try {
      const { made, look } = setUp();
      await jest.advanceTimersByTimeAsync(5_000);
      expect(made.frames).toBe(0);
      const viewers = Array.from({ length: 20 }, () => look('mesh'));
      await jest.advanceTimersByTimeAsync(9_500);
      expect(made.frames).toBe(10);
      for (const { got } of viewers) expect(got.filter((text) => text.startsWith('event: mesh\n'))).toHaveLength(10);
      for (const { leave } of viewers) leave();
      await jest.advanceTimersByTimeAsync(10_000);
      expect(made.frames).toBe(10);
      expect(made.forgotten).toBe(1);
    } finally {
      jest.useRealTimers();
    }
  });

  it('gives everybody what he may see and nothing else, the newest at once', async () => {
    jest.useFakeTimers();
    try {
      const { look } = setUp();
      const all = look('mesh', 'alerts', 'rollouts');
      await jest.advanceTimersByTimeAsync(100);
      const late = look('alerts');
      expect(late.got).toEqual(['event: alerts\ndata: []\n\n']);
      await jest.advanceTimersByTimeAsync(4_000);
      expect(late.got.every((text) => text.startsWith('event: alerts\n'))).toBe(true);
      expect(all.got.some((text) => text.startsWith('event: mesh\n'))).toBe(true);
      all.leave();
      late.leave();
    } finally {
      jest.useRealTimers();
    }
  });

  it('says what could not be asked, by whom, and goes on', async () => {
    jest.useFakeTimers();
    try {
      const { look } = setUp();
      const { got, leave } = look('mesh', 'rollouts');
      await jest.advanceTimersByTimeAsync(2_500);
      const refused = got.filter((text) => text.startsWith('event: refused\n'));
      expect(refused[0]).toContain('{"part":"rollouts","code":"unavailable","message":"registry: is away"}');
      expect(got.filter((text) => text.startsWith('event: mesh\n')).length).toBeGreaterThan(1);
      leave();
    } finally {
      jest.useRealTimers();
    }
  });
});
