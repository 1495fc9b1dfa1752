import { useEffect, useState } from 'preact/hooks';
import type { LiveEvents } from '../views/mesh.view.js';
import { signedOut } from './api.js';
import { whoIsSignedIn } from './session.js';

export interface Live {
  readonly mesh?: LiveEvents['mesh'];
  readonly history: LiveEvents['history'];
  readonly alerts?: LiveEvents['alerts'];
  readonly rollouts?: LiveEvents['rollouts'];
  /** By part of the stream, what was answered instead of it. */
  readonly refused: Readonly<Record<string, LiveEvents['refused']>>;
  readonly connected: boolean;
}

const maxPoints = 600;
const reconnectMs = 1_000;
let state: Live = { history: [], refused: {}, connected: false };
let source: EventSource | undefined;
const watchers = new Set<(live: Live) => void>();

/** The live stream of /api/live, one a page however many parts of it look, and none while the page is hidden. */
export function useLive(): Live {
  const [live, setLive] = useState(state);
  useEffect(() => {
    watchers.add(setLive);
    setLive(state); // it may have changed before this watched
    connect();
    return () => {
      watchers.delete(setLive);
      if (watchers.size === 0) disconnect();
    };
  }, []);
  return live;
}

document.addEventListener('visibilitychange', () => (document.hidden ? disconnect() : connect()));

function update(change: Partial<Live>): void {
  state = { ...state, ...change };
  for (const watcher of watchers) watcher(state);
}

function connect(): void {
  if (source !== undefined || watchers.size === 0 || document.hidden) return;
  const opened = new EventSource('/api/live');
  source = opened;
  const on = <E extends keyof LiveEvents>(name: E, take: (value: LiveEvents[E]) => void): void =>
    opened.addEventListener(name, (event) => take(JSON.parse((event as MessageEvent<string>).data) as LiveEvents[E]));
  opened.addEventListener('open', () => update({ connected: true }));
  opened.addEventListener('error', () => {
    update({ connected: false });
    // The browser tries again by itself, except after an answer that is no stream.
    if (opened.readyState === EventSource.CLOSED) setTimeout(() => void reconnect(opened), reconnectMs);
  });
  on('history', (history) => update({ history }));
  on('mesh', (mesh) => update({ mesh, history: [...state.history, pointOf(mesh)].slice(-maxPoints) }));
  on('alerts', (alerts) => update({ alerts, refused: without('alerts') }));
  on('rollouts', (rollouts) => update({ rollouts, refused: without('rollouts') }));
  on('refused', (refused) => update({ refused: { ...state.refused, [refused.part]: refused } }));
}

async function reconnect(closed: EventSource): Promise<void> {
  if (source !== closed) return;
  source = undefined;
  // The browser does not say what was answered instead of a stream; most often that nobody is signed in any more.
  const who = await whoIsSignedIn().catch(() => 'unknown');
  if (who === undefined) signedOut();
  else connect();
}

function disconnect(): void {
  source?.close();
  source = undefined;
  update({ connected: false });
}

function without(part: string): Live['refused'] {
  const { [part]: _gone, ...rest } = state.refused;
  return rest;
}

function pointOf({ atMs, topics, predictionRate }: LiveEvents['mesh']): LiveEvents['history'][number] {
  const sum = (id: string): number | null => {
    const rates = topics.flatMap((topic) => (topic.id === id && topic.rate !== null ? [topic.rate] : []));
    return rates.length === 0 ? null : rates.reduce((total, rate) => total + rate, 0);
  };
  const lag = topics.flatMap(({ consumers }) => consumers).reduce((total, one) => total + one.lag, 0);
  return { atMs, raw: sum('rawEvents'), valid: sum('validEvents'), predictions: predictionRate, lag };
}
