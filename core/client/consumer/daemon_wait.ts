/**
 * What the daemon lacks to serve a consumer: its database, or the leave to deliver, because it is a
 * node that is drained. Neither is a reason to end.
 */
import { isDatabaseAway } from "../../protocol/database_url.ts";
import { isNodeDrained } from "../../protocol/node.ts";

/** Time between two requests meanwhile, ms; while the database is away, each waits for it, too. */
export const DAEMON_WAIT_MS = 500;

const WORDS = {
  database: {
    lacks: "the daemon's database is away; waiting for it to come back",
    found: "the daemon's database is back; going on",
  },
  leave: {
    lacks: "the daemon is a node that is drained; waiting until it delivers again",
    found: "the daemon delivers again; going on",
  },
};

/** What a consumer knows of it. */
export class DaemonWait {
  readonly #say: (text: string) => void;
  #lacks: keyof typeof WORDS | undefined;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** Notes why a request failed; false if it was neither of these. */
  lacks(error: unknown): boolean {
    const what = isDatabaseAway(error) ? "database" : isNodeDrained(error) ? "leave" : undefined;
    if (!what) return false;
    if (what !== this.#lacks) this.#say(WORDS[what].lacks);
    this.#lacks = what;
    return true;
  }

  /** Notes that the daemon has stored outcomes, or that it has leased: a drained one does the first. */
  found(what: "stored" | "leased"): void {
    if (!this.#lacks || (this.#lacks === "leave" && what === "stored")) return;
    this.#say(WORDS[this.#lacks].found);
    this.#lacks = undefined;
  }
}
