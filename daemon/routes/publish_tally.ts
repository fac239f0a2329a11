/** Adds up what a publish has stored over its appends. */
import { defined } from "../../core/base/defined.ts";
import type { EvsError } from "../../core/base/errors.ts";
import type { NewEvent } from "../../core/event/event.ts";
import type { PackedRequest } from "../../core/store/pack.ts";
import type { AppendOutcome } from "../../core/store/store.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";
import { RefusedLines } from "../ingest/refused_lines.ts";

/** Seqs and ids are listed individually up to this many events. */
const LISTED = 100;

/** Adds up what has been stored so far. */
export class PublishTally {
  count = 0;
  duplicates = 0;
  firstSeq = 0;
  lastSeq = 0;
  lines = 0;
  readonly #refused = new RefusedLines();
  readonly #events: NonNullable<PublishReply["events"]> = [];
  #listed = true;

  /**
   * True if a publish with this many more events is still listed individually: then `add` needs
   * their ids and versions.
   */
  lists(more: number): boolean {
    return this.#listed && this.#events.length + more <= LISTED;
  }

  /** Adds an append of `count` events. */
  add(
    { count, ids, versions, expires }: {
      count: number;
      ids: readonly string[] | undefined;
      versions: string | readonly string[];
      expires?: PackedRequest["expires"];
    },
    outcome: Extract<AppendOutcome, { ok: true }>,
  ): void {
    this.count += outcome.count;
    this.duplicates += outcome.duplicates.length;
    if (outcome.count > 0) {
      this.firstSeq ||= outcome.firstSeq;
      this.lastSeq = outcome.lastSeq;
    }
    if (!ids || !this.lists(count)) {
      this.#listed = false;
      return;
    }
    const duplicates = new Map(outcome.duplicates.map(({ index, seq }) => [index, seq]));
    let seq = outcome.firstSeq;
    ids.forEach((id, index) => {
      const schemaVersion = typeof versions === "string" ? versions : versions[index]!;
      const first = duplicates.get(index);
      const expiresAt = typeof expires === "number" ? expires : expires?.[index];
      const keySeq = outcome.keySeqs?.[index] || undefined;
      this.#events.push(
        first === undefined
          ? { seq: seq++, id, schemaVersion, ...defined({ keySeq, expiresAt }) }
          : { seq: first, id, schemaVersion, ...defined({ keySeq }), duplicate: true },
      );
    });
  }

  /** Adds an append of these events. */
  addEvents(
    events: readonly NewEvent[],
    outcome: Extract<AppendOutcome, { ok: true }>,
  ): void {
    const ids = events.map(({ id }) => id);
    const versions = events.map(({ schemaVersion }) => schemaVersion);
    const expires = events.map(({ expiresAt }) => expiresAt);
    this.add({ count: events.length, ids, versions, expires }, outcome);
  }

  /** Adds a refused line. */
  refuse(line: number, error: EvsError): void {
    this.#refused.add(line, error);
  }

  reply(durable: boolean): PublishReply {
    const { count, duplicates, lines } = this;
    const only = this.#listed && count === 0 ? this.#events[0] : undefined;
    return {
      count,
      duplicates,
      firstSeq: this.firstSeq || (only?.seq ?? 0),
      lastSeq: this.lastSeq || (only ? this.#events.at(-1)!.seq : 0),
      durable,
      lines,
      ...(this.#listed ? { events: this.#events } : {}),
      refused: this.#refused.listed,
      ...(this.#refused.more > 0 ? { refusedMore: this.#refused.more } : {}),
    };
  }
}
