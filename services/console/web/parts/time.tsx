import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { absolute, relative } from './format.js';

/** How long ago, kept true every 5 s; the instant itself in its title. 0 = has no time. */
export function Time({ atMs }: { atMs: number }): VNode {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 5_000);
    return () => clearInterval(timer);
  }, []);
  if (atMs === 0) return <span>–</span>;
  return (
    <time dateTime={new Date(atMs).toISOString()} title={absolute(atMs)}>
      {relative(atMs, nowMs)}
    </time>
  );
}

/** An instant of the data, which is long ago: absolute. */
export function Instant({ atMs }: { atMs: number }): VNode {
  if (atMs === 0) return <span>–</span>;
  return <time dateTime={new Date(atMs).toISOString()}>{absolute(atMs)}</time>;
}
