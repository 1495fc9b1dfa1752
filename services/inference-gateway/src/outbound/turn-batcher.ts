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
