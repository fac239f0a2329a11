/**
 * Which version of each type was the highest a moment ago. An event is recorded with the version
 * that it was checked by, whether its publisher gave it or not: where it is checked again, one that
 * was only the highest at that time counts as not given.
 */

/** How many changes are remembered: events are on their way to a store for a moment only. */
const KEPT = 100;

/** The highest versions before the latest changes of the schemas. */
export class EarlierVersions {
  readonly #changes: { rev: number; latest: ReadonlyMap<string, string | undefined> }[] = [];

  /** The schemas of `rev` are about to change: of these types, these versions applied. */
  note(rev: number, latest: ReadonlyMap<string, string | undefined>): void {
    this.#changes.push({ rev, latest });
    if (this.#changes.length > KEPT) this.#changes.shift();
  }

  /** The version of a type that applied under `rev`; `now`: the one that does now. */
  at(rev: number, type: string, now: string | undefined): string | undefined {
    const from = this.#changes.findIndex((change) => change.rev === rev);
    if (from < 0) return now;
    const change = this.#changes.slice(from).find(({ latest }) => latest.has(type));
    return change ? change.latest.get(type) : now;
  }
}
