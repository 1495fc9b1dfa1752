/** 1234567 → 1,234,567. */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** Per second, short: 0, 3.2, 480, 12.4k; null = – */
export function rate(value: number | null): string {
  if (value === null) return '–';
  if (value >= 10_000) return `${(value / 1_000).toFixed(1)}k`;
  return value === 0 || value >= 100 ? count(value) : value.toFixed(1);
}

/** A measure to 4 digits: 0.8461. NaN = – */
export function figure(value: number): string {
  return Number.isFinite(value) ? Number(value.toPrecision(4)).toString() : '–';
}

const spans: readonly [string, number][] = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
];

/** 3 min ago, in 2 h, just now. */
export function relative(atMs: number, nowMs: number): string {
  const seconds = Math.round(Math.abs(nowMs - atMs) / 1_000);
  if (seconds < 5) return 'just now';
  const [unit, length] = spans.find(([, length]) => seconds >= length) ?? ['s', 1];
  const text = `${Math.floor(seconds / length)} ${unit}`;
  return atMs > nowMs ? `in ${text}` : `${text} ago`;
}

/** 2001-06-20 12:00:00 UTC */
export function absolute(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** 850 ms, 12 s, 3 min 20 s, 2 h 5 min; null = – */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1_000) return `${ms} ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** 0.123 → 12.3 %; null = – */
export function share(value: number | null): string {
  return value === null ? '–' : `${(value * 100).toFixed(1)} %`;
}
