const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `5m`, `24h`, `7d` in milliseconds. @throws RangeError for any other text */
export function parseDuration(text: string): number {
  const match = /^([1-9][0-9]{0,5})(s|m|h|d)$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is not a duration like 90s, 5m, 24h or 7d`);
  return Number(match[1]) * units[match[2] as keyof typeof units];
}

/** The shortest text that parseDuration reads as these milliseconds. */
export function formatDuration(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((candidate) => ms % units[candidate] === 0) ?? 's';
  return `${ms / units[unit]}${unit}`;
}
