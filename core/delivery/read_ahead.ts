/**
 * While outcomes are on their way to disk the thread of a consumer's deliveries has nothing to do,
 * and the consumer is busy with what it was given: the page that its next lease will need is read
 * then, so that it need not wait for it.
 */

/** Reads the next page while a commit is under way. */
export class ReadAhead {
  readonly #lacks: (events: number) => boolean;
  readonly #read: () => void;
  readonly #failed: (error: unknown) => void;
  #taken = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `lacks` tells whether fewer events than this are at hand, and there is room to read more.
   * `failed` is told what a read threw, for nobody waits for it: the lease that needs the page will
   * meet it again.
   */
  constructor(
    on: { lacks(events: number): boolean; read(): void; failed(error: unknown): void },
  ) {
    this.#lacks = (events) => on.lacks(events);
    this.#read = () => on.read();
    this.#failed = (error) => on.failed(error);
  }

  /** So many events were just handed out together: the next lease will be like this one. */
  took(events: number): void {
    this.#taken = events;
  }

  /** A commit has begun: reads in the next turn, when it is under way. */
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

  /** Nothing is read any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#taken = 0;
  }
}
