/** The rest of a loop that looks again and again: ended early by who has something for it, also where that came just before the rest. After its end there is none. */
export class Rest {
  private wakeUp: (() => void) | undefined;
  private isWoken = false;
  private isOver = false;

  /** One at a time. Resolves after so long, or when it is woken. */
  take(ms: number): Promise<void> {
    if (this.isOver || this.isWoken) {
      this.isWoken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wakeUp?.(), ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        this.wakeUp = undefined;
        resolve();
      };
    });
  }

  /** There is something to do: the rest ends, or the next one is not taken. */
  wake(): void {
    if (this.wakeUp === undefined) this.isWoken = true;
    else this.wakeUp();
  }

  /** The loop is to end. */
  end(): void {
    this.isOver = true;
    this.wakeUp?.();
  }
}
