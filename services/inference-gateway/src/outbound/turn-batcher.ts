/** Gathers what arrives in one turn of the event loop, and hands it over together: batches grow with the load, and a lone call waits for nothing. */
export class TurnBatcher<T> {
  private gathered: T[] = [];

  constructor(private readonly flush: (items: readonly T[]) => void) {}

  add(item: T): void {
    if (this.gathered.length === 0)
      setImmediate(() => {
        const items = this.gathered;
        this.gathered = [];
        this.flush(items);
      });
    this.gathered.push(item);
  }
}

/** Items in order and in groups, each of at most so much or of one larger item; nothing gives no group. */
export function* groupsOf<T>(items: readonly T[], sizeOf: (item: T) => number, most: number): Generator<readonly T[]> {
  let [from, size] = [0, 0];
  for (const [i, item] of items.entries()) {
    if (i > from && size + sizeOf(item) > most) {
      yield items.slice(from, i);
      [from, size] = [i, 0];
    }
    size += sizeOf(item);
  }
  if (from < items.length) yield items.slice(from);
}
