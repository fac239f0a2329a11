/** The damage that reads of a file store found, each place once. */
import type { Clock } from "../../base/clock.ts";
import type { Damage, Found } from "../damage.ts";
import type { Accepted } from "./accepted.ts";
import type { IndexBlock } from "./block.ts";

/** Collects damage and calls `onDamage` once per place. */
export class DamageLog {
  readonly #clock: Clock;
  readonly #onDamage: ((damage: Found) => void) | undefined;
  readonly #accepted: Accepted;
  readonly #found = new Map<string, Damage>();

  constructor(clock: Clock, accepted: Accepted, onDamage?: (damage: Found) => void) {
    this.#clock = clock;
    this.#accepted = accepted;
    this.#onDamage = onDamage;
  }

  /** Reports that a block of the segment at `path` cannot be trusted. */
  add(topic: string, path: string, block: IndexBlock): void {
    const key = `${path}:${block.start}:${block.firstSeq}`;
    if (this.#found.has(key)) return;
    this.tell(damageOf(topic, path, block), key);
  }

  /** Reports that events are lost or corrupt. */
  tell(found: Found, key = `${found.topic}:${found.firstSeq}:${found.lastSeq}`): void {
    if (this.#found.has(key)) return;
    const accepted = this.#accepted.has(found);
    this.#found.set(key, { ...found, foundAt: this.#clock.now(), accepted });
    if (!accepted) this.#onDamage?.(found);
  }

  list(): Damage[] {
    return [...this.#found.values()];
  }

  /** Accepts all damage found so far; durable when it returns. */
  accept(): void {
    this.#accepted.add(this.list());
    for (const damage of this.#found.values()) damage.accepted = true;
  }
}

/** Describes what is wrong with a block. */
export function damageOf(topic: string, path: string, block: IndexBlock): Found {
  const { firstSeq, count, start, end } = block;
  if (count === 0) {
    const what = `bytes ${start} to ${end} of ${path} are not events: kept, but not delivered`;
    return { topic, firstSeq, lastSeq: firstSeq - 1, what, lost: false };
  }
  const what = start === end
    ? `cut out of ${path} from outside, at byte ${start}: their numbers are not used again`
    : `the checksum does not fit, kept in ${path} at bytes ${start} to ${end}`;
  return { topic, firstSeq, lastSeq: firstSeq + count - 1, what, lost: true };
}
