/** Tracks whether the daemon can reach its database: that it cannot is no reason to end. */
import { isDatabaseAway } from "../../protocol/database_url.ts";

/** Time between two requests while the database is away, ms; each waits for it, too. */
export const DATABASE_RETRY_MS = 500;

/** What a consumer knows of the daemon's database. */
export class DatabaseRetry {
  readonly #say: (text: string) => void;
  #away = false;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** Notes why a request failed; false if the database was not the reason. */
  lacks(error: unknown): boolean {
    if (!isDatabaseAway(error)) return false;
    if (!this.#away) this.#say("the daemon's database is away; waiting for it to come back");
    return this.#away = true;
  }

  /** Notes that the daemon has done what needs the database. */
  found(): void {
    if (this.#away) this.#say("the daemon's database is back; going on");
    this.#away = false;
  }
}
