/**
 * Reads the page for the next lease while outcomes are being committed. At that time this thread is
 * idle and the consumer is busy, so the next lease need not wait for the page.
 */

/** Reads the next page while a commit is under way. */
export class ReadAhead {
  readonly #lacks: (events: number) => boolean;
  readonly #read: () => void;
  readonly #failed: (error: unknown) => void;
  #taken = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `lacks` tells whether fewer events than this are in memory and there is room for more. `failed`
   * gets the error of a read, since nobody waits for it: the lease that needs the page will hit it
   * again.
   */
  constructor(
    on: { lacks(events: number): boolean; read(): void; failed(error: unknown): void },
  ) {
    this.#lacks = (events) => on.lacks(events);
    this.#read = () => on.read();
    this.#failed = (error) => on.failed(error);
  }

  /** Notes how many events were just leased together: the next lease will probably be similar. */
  took(events: number): void {
    this.#taken = events;
  }

  /** A commit has begun: reads in the next turn, while it is under way. */
  begin(): void {
    if (this.#timer !== undefined || !this.#lacks(this.#taken)) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      try {
        if (this.#lacks(this.#taken)) this.#read();
      } catch (error) {
        this.#failed(error);
      }
    }, 0);
  }

  /** Stops reading. */
  end(): void {
    clearTimeout(this.#timer);
    this.#taken = 0;
  }
}
