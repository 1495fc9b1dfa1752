/** Where a condition that holds at first and then no longer changes: between `from`, where it holds (or the given start), and `to`, 2^-48 of the interval later. */
export function bisect(start: number, end: number, holds: (x: number) => boolean): { from: number; to: number } {
  let [from, to] = [start, end];
  for (let i = 0; i < 48; i += 1) {
    const middle = (from + to) / 2;
    if (holds(middle)) from = middle;
    else to = middle;
  }
  return { from, to };
}
