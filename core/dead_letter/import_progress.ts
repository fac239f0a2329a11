/**
 * Which parts of an import are done, so that a request that got no answer can be sent again: nothing
 * of it is done twice. A part is one transaction, which also records that it is done.
 */
import { crc32 } from "../base/checksum.ts";
import type { Clock } from "../base/clock.ts";
import type { DeadLetterImportReply } from "../protocol/protocol.ts";
import type { ImportRecord, StateChange } from "../state/state.ts";
import type { ImportedDeadLetter } from "./imported.ts";

/** A part of an import; without a `batch` nothing is recorded. */
export interface ImportPart {
  batch: string | undefined;
  part: string;
}

/** So long a part is remembered, ms: whoever sends it again does so within minutes. */
const KEPT_MS = 86_400_000;

const encoder = new TextEncoder();

/** The name of a part: the same entries at the same place. */
export function partName(index: number, entries: readonly ImportedDeadLetter[]): string {
  const names = entries.map(({ subscription, topic, event }) => [subscription, topic, event.id]);
  return `${index}-${crc32(encoder.encode(JSON.stringify(names)))}`;
}

/** The parts of all imports that are done. */
export class ImportParts {
  readonly #clock: Clock;
  readonly #done = new Map<string, ImportRecord>();
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor({ clock, imports }: { clock: Clock; imports: readonly ImportRecord[] }) {
    this.#clock = clock;
    for (const record of imports) this.#done.set(keyOf(record), record);
  }

  /** The same batch again waits for the first one: it may still be at work. */
  inTurn<T>(batch: string | undefined, work: () => Promise<T>): Promise<T> {
    if (batch === undefined) return work();
    const before = this.#turns.get(batch) ?? Promise.resolve();
    const result = before.then(work, work);
    const turn = result.catch(() => {}).then(() => {
      if (this.#turns.get(batch) === turn) this.#turns.delete(batch);
    });
    this.#turns.set(batch, turn);
    return result;
  }

  /** What was answered to a part that is done. */
  done({ batch, part }: ImportPart): DeadLetterImportReply | undefined {
    const record = batch === undefined ? undefined : this.#done.get(keyOf({ batch, part }));
    return record && JSON.parse(record.reply);
  }

  /** The changes that record a part as done; call `apply` once they are committed. */
  record(
    { batch, part }: ImportPart,
    reply: DeadLetterImportReply,
  ): { changes: StateChange[]; apply(): void } {
    if (batch === undefined) return { changes: [], apply: () => {} };
    const at = this.#clock.now();
    const before = at - KEPT_MS;
    const record: ImportRecord = { batch, part, at, reply: JSON.stringify(reply) };
    return {
      changes: [{ op: "import.put", record, before }],
      apply: () => {
        for (const [key, old] of this.#done) if (old.at < before) this.#done.delete(key);
        this.#done.set(keyOf(record), record);
      },
    };
  }
}

function keyOf({ batch, part }: { batch: string; part: string }): string {
  return `${batch} ${part}`;
}
