import type { VNode } from 'preact';

export type Tone = 'good' | 'bad' | 'warn' | 'calm';

const tones: Record<string, Tone> = {
  ready: 'good',
  live: 'good',
  pass: 'good',
  succeeded: 'good',
  approved: 'good',
  allow: 'good',
  ok: 'good',
  proved: 'good',
  resolved: 'good',
  away: 'bad',
  fail: 'bad',
  failed: 'bad',
  firing: 'bad',
  deny: 'bad',
  rejected: 'bad',
  refused: 'bad',
  aborted: 'bad',
  'rolled-back': 'bad',
  'not-ready': 'warn',
  waiting: 'warn',
  pending: 'warn',
  paused: 'warn',
  'no-data': 'warn',
  cancelled: 'warn',
  drifted: 'warn',
};

/** A state in a word; its colour only repeats what the word says. */
export function Badge({ text, tone }: { text: string; tone?: Tone }): VNode {
  return <span class={`badge ${tone ?? tones[text] ?? 'calm'}`}>{text}</span>;
}
