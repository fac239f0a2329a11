/**
 * Changes of the catalog where several processes share a state. Each record has a number, its "rev",
 * that whoever stores it chooses at random. A change names the rev of what it was decided from, and
 * nothing of its commit is kept if somebody else has stored another one meanwhile: then the process
 * reads the catalog again, and decides again. Random, so that the new rev is known without asking,
 * even where the answer to the commit is lost.
 */
import { EvsError, ExitCode } from "../base/errors.ts";

/** Above this, a rev would not be exact as a number. */
const REVS = 2 ** 52;
/** How often a change is decided again before its caller is told. */
const MOST_AGAIN = 5;

/** The rev of a record; `none`: there must be no record of that name. */
export type BeforeRev = number | "none";

/** The schemas have one rev together, because what is allowed of one depends on its neighbours. */
export interface SchemaRevs {
  /** What it was when the change was decided. */
  before: number;
  rev: number;
}

/** A change was decided from a catalog that another node has changed meanwhile: nothing was kept. */
export class StaleError extends EvsError {
  /** @internal */
  constructor() {
    super(
      { code: "state/stale", status: 409, exit: ExitCode.Conflict },
      "another node has changed this at the same moment; nothing of this was stored",
      { hint: "try again" },
    );
  }
}

/** A rev that nobody else has chosen: never 0, which is that of what was stored without one. */
export function newRev(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return 1 + (high! * 2 ** 20 + (low! >>> 12)) % (REVS - 1);
}

/** How a process learns what others have changed. */
export interface CatalogRefresh {
  /** Resolves when this process knows all that the state said when this was called. */
  refresh(): Promise<void>;
}

/**
 * Decides, and once more with what others have stored meanwhile as long as it was decided from what
 * is not so any more. `shared`: absent where this process has its state for itself.
 */
export function decideAgain<T>(
  shared: CatalogRefresh | undefined,
  decide: () => Promise<T>,
): Promise<T> {
  return shared ? decideAgainBy(shared, decide) : decide();
}

async function decideAgainBy<T>(
  shared: CatalogRefresh,
  decide: () => Promise<T>,
): Promise<T> {
  for (let again = 0;; again++) {
    try {
      return await decide();
    } catch (error) {
      if (!(error instanceof StaleError) || again === MOST_AGAIN) throw error;
    }
    await shared.refresh();
  }
}
