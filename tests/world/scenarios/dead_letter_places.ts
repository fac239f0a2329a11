/** Where each event of a subscription may be, as far as those who acted on it were told. */

/** On its way to a handler; given up; acknowledged or removed. */
export type Place = "pending" | "dead" | "done";

/** A dead letter as it is exported. */
export interface Entry {
  id: string;
  event: { payload: { n: number; cause: string; edits?: number } };
}

/** Keeps it: more than one place, where an answer was lost. */
export class Places {
  readonly #places = new Map<number, Set<Place>>();
  /** Of these there are copies, and the first stays a dead letter until one succeeds. */
  readonly #edited = new Set<number>();
  readonly #violated: (details: string) => void;

  constructor(violated: (details: string) => void) {
    this.#violated = violated;
  }

  /** An event was published. */
  add(n: number): void {
    if (!this.#places.has(n)) this.#places.set(n, new Set(["pending"]));
  }

  /** Somebody sends an edited copy of it, or has tried to. */
  edit(n: number): void {
    this.#edited.add(n);
    this.#places.get(n)!.add("dead").add("pending");
  }

  /** True if one of them has copies: how many an act reaches depends on where they are. */
  hasCopies(among: readonly number[]): boolean {
    return among.some((n) => this.#edited.has(n));
  }

  /**
   * Somebody moves those that are `from` there; `among`: only these. If it is not `sure`, they may
   * be where they were.
   */
  move(
    from: Place,
    { among, to, sure }: { among?: readonly number[]; to: Place; sure: boolean },
  ): void {
    for (const [n, places] of this.#places) {
      if (!places.has(from) || among?.includes(n) === false) continue;
      if (sure && !this.#edited.has(n)) places.delete(from);
      places.add(to);
    }
  }

  /** It was seen there, so it is nowhere else. */
  is(n: number, place: Place, what: string): void {
    const places = this.#places.get(n);
    if (!places?.has(place)) {
      this.#violated(`event ${n} ${what}, and should be ${[...places ?? []].join(" or ")}`);
    }
    if (!this.#edited.has(n)) this.#places.set(n, new Set([place]));
  }

  /**
   * What is there at the end: dead letters, what was delivered after that, and dead letters after
   * that.
   */
  judge(
    { dead, come, later }: { dead: number[]; come: number[]; later: number[] },
  ): void {
    for (const [n, places] of this.#places) {
      const [deaths, deliveries] = [dead, come].map((all) => all.filter((one) => one === n).length);
      if (deaths! + deliveries! > 1 && !this.#edited.has(n)) {
        this.#violated(`event ${n} is a dead letter ${deaths} times, and came ${deliveries} times`);
      }
      const place = deaths ? "dead" : deliveries || later.includes(n) ? "pending" : "done";
      if (!places.has(place)) {
        this.#violated(`event ${n} is ${place}, and should be ${[...places].join(" or ")}`);
      }
    }
  }
}
