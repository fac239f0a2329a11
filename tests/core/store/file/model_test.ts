/**
 * Contract rows 2, 3 and 8 for the file store, against a model: through any appends, removals,
 * kills, power cuts and full disks, acknowledged events are there, nothing is there that was not
 * sent, and numbers have no gaps and are not reused. Uses an in-memory file system that keeps any
 * part of what was not synced. A failure prints its seed; `EVS_SEED` runs that one again.
 */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import { systemClock } from "../../../../core/base/clock.ts";
import { CannotStoreError } from "../../../../core/base/errors.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import type { Durability } from "../../../../core/event/durability.ts";
import { dose } from "../../../helpers/dose.ts";
import { randomFrom } from "../../../helpers/flip.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

interface Append {
  kind: "append";
  topic: string;
  count: number;
  given: boolean;
  repeat: boolean;
  large: boolean;
}

type Step =
  | Append
  | { kind: "pair"; first: Append; second: Append }
  | { kind: "truncate"; topic: string; keep: number }
  | { kind: "remove"; topic: string }
  | { kind: "close" | "kill" | "power" }
  | { kind: "full" | "short"; after: number }
  | { kind: "crash"; power: boolean; after: number; beside: boolean };

const TOPICS = ["a", "B"];
const topic = fc.constantFrom(...TOPICS);
const after = fc.integer({ min: 0, max: 12 });
const append: fc.Arbitrary<Append> = fc.record({
  kind: fc.constant("append" as const),
  topic,
  count: fc.integer({ min: 1, max: 40 }),
  given: fc.boolean(),
  repeat: fc.boolean(),
  large: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: append },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("pair" as const), first: append, second: append }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("truncate" as const), topic, keep: fc.nat(30) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), topic }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("close", "kill", "power") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("full", "short"), after }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      power: fc.boolean(),
      after: fc.integer({ min: 0, max: 30 }),
      beside: fc.boolean(),
    }),
  },
);

/** What is known of one topic from outside. */
class Model {
  /** Acknowledged and not removed: seq to id. */
  readonly acknowledged = new Map<number, string>();
  /** Everything that was ever sent. */
  readonly sent = new Set<string>();
  /** Given ids that are certainly stored, with their seq. */
  readonly given = new Map<string, number>();
  /** No seq up to here may be given again. */
  floor = 0;
  /** The lowest seq that must be there, if it is acknowledged. */
  kept = 1;
}

const decoder = new TextDecoder();

class Run {
  readonly #models = new Map(TOPICS.map((name) => [name, new Model()]));
  readonly #random: () => number;
  readonly #durability: Durability;
  readonly #lookAtMost: number;
  #disk = new MemoryDisk();
  #store: FileEventStore;
  #n = 0;
  #now = 1_800_000_000_000;

  constructor(seed: number, durability: Durability, lookAtMost: number) {
    const random = randomFrom(seed);
    this.#random = () => random(1_000_000) / 1_000_000;
    this.#durability = durability;
    this.#lookAtMost = lookAtMost;
    this.#store = this.#open();
  }

  #open(): FileEventStore {
    const clock = { ...systemClock, now: () => this.#now += 100, setTimer: () => () => {} };
    return new FileEventStore("/data/events", {
      disk: this.#disk,
      clock,
      durability: this.#durability,
      lookAtMost: this.#lookAtMost,
      segments: { maxBytes: 12_000 },
    });
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case "append":
        return await this.#append(step);
      case "pair":
        return await this.#appendBeside([step.first, step.second]);
      case "truncate": {
        const model = this.#models.get(step.topic)!;
        const seq = this.#store.head(step.topic).lastSeq + 1 - step.keep;
        model.kept = Math.max(model.kept, seq);
        await this.#maybe(this.#store.truncate(step.topic, seq));
        return;
      }
      case "remove": {
        const model = this.#models.get(step.topic)!;
        model.kept = this.#store.head(step.topic).lastSeq + 1;
        model.given.clear();
        await this.#maybe(this.#store.removeTopic(step.topic));
        return;
      }
      case "close":
        await this.#store.close();
        this.#openAgain();
        return this.#verify();
      case "kill":
        return this.#restart(false);
      case "power":
        return this.#restart(true);
      case "full":
      case "short":
        return this.#fault(step);
      case "crash":
        return await this.#crash(step);
    }
  }

  /**
   * Where there is no room to repair what was left, that is said, and there is when the disk has
   * room.
   */
  #openAgain(): void {
    try {
      this.#store = this.#open();
    } catch (error) {
      if (!(error instanceof CannotStoreError)) throw error;
      this.#disk.onCall = undefined;
      this.#store = this.#open();
    }
  }

  /** Each begins when the one before is written, while that is synced. */
  async #appendBeside([step, ...rest]: Append[]): Promise<void> {
    if (!step || this.#down) return;
    let next: Promise<void> | undefined;
    await this.#append(step, () => next = this.#appendBeside(rest));
    await next;
  }

  async #append(step: Append, onWritten?: () => void): Promise<void> {
    const model = this.#models.get(step.topic)!;
    const events = Array.from({ length: step.count }, (_, i) => {
      const n = ++this.#n;
      const old = step.repeat && i === 0 ? [...model.given.keys()].at(-1) : undefined;
      return newEvent({
        ...(step.given ? { id: old ?? `given-${n}` } : {}),
        payload: step.large ? `"${"x".repeat(200)}${n}"` : `${n}`,
      });
    });
    for (const { id } of events) model.sent.add(id);
    const appended = this.#store.appendTelling([{ topic: step.topic, events }], { onWritten });
    const outcome = (await this.#maybe(appended))?.outcomes[0];
    if (!outcome) return;
    assert.ok(outcome.ok);
    for (const { index, seq } of outcome.duplicates) {
      assert.equal(model.given.get(events[index]!.id), seq, "a repeat has its first seq");
    }
    const again = new Set(outcome.duplicates.map(({ index }) => index));
    events.filter((_, i) => !again.has(i)).forEach(({ id, idGiven }, i) => {
      assert.ok(!model.given.has(id), "a given id is stored once");
      const seq = outcome.firstSeq + i;
      assert.ok(seq > model.floor, `seq ${seq} comes after ${model.floor}`);
      model.acknowledged.set(seq, id);
      if (idGiven) model.given.set(id, seq);
    });
    if (outcome.count > 0) model.floor = outcome.lastSeq;
  }

  /** What it resolves with; undefined when the disk was full, or the machine went down. */
  async #maybe<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      if (this.#down) return undefined;
      if (!(error instanceof CannotStoreError)) throw error;
      this.#verifyEnds();
      return undefined;
    }
  }

  /** A record that found no room is cut off again. */
  #verifyEnds(): void {
    for (const name of TOPICS) {
      const { segments } = this.#store.view(name) ?? { segments: [] };
      for (const { firstSeq, end } of segments) {
        const folder = name === "B" ? "b%1" : name;
        const path = `/data/events/${folder}/${String(firstSeq).padStart(16, "0")}.ndjson`;
        assert.equal(this.#disk.bytes(path).length, end, `${path} ends with its last event`);
      }
    }
  }

  #down = false;

  /**
   * From the `after`-th write on there is no room, or a write comes to a few bytes, for a while.
   */
  #fault(step: Extract<Step, { kind: "full" | "short" }>): void {
    let left = step.after;
    let lasting = 6;
    this.#disk.onCall = ({ op, bytes = 0, grows }) => {
      if (op !== "write" || left-- > 0 || lasting-- <= 0) return;
      if (step.kind === "short") return Math.max(1, Math.floor(bytes / 3));
      // What is there already can be written over; of the first that grows a part still finds room.
      if (grows && lasting === 5 && bytes > 1) return Math.floor(bytes / 2);
      if (grows) {
        throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
      }
    };
  }

  /** The machine goes down at the `after`-th call of an append. */
  async #crash({ power, after, beside }: Extract<Step, { kind: "crash" }>): Promise<void> {
    let left = after;
    this.#disk.onCall = () => {
      if (left-- > 0) return;
      this.#down = true;
      throw new Error("down");
    };
    const [a, b] = TOPICS as [string, string];
    const appends = [a, b, a, a, a, b].map((topic): Append => {
      return { kind: "append", topic, count: 25, given: true, repeat: false, large: true };
    });
    if (beside) await this.#appendBeside(appends);
    for (const append of beside ? [] : appends) if (!this.#down) await this.#append(append);
    this.#down = false;
    this.#restart(power);
  }

  #restart(power: boolean): void {
    this.#disk.onCall = undefined;
    this.#disk = power ? this.#disk.powerCut(this.#random) : this.#disk.kill();
    this.#store = this.#open();
    // Of what was not synced a suffix may be gone, and only after a power cut.
    if (power && this.#durability !== "always") this.#forgetSuffix();
    this.#verify();
  }

  #forgetSuffix(): void {
    for (const [name, model] of this.#models) {
      const { lastSeq } = this.#store.head(name);
      for (const seq of model.acknowledged.keys()) {
        if (seq > lastSeq) model.acknowledged.delete(seq);
      }
      for (const [id, seq] of model.given) if (seq > lastSeq) model.given.delete(id);
      model.floor = Math.min(model.floor, lastSeq);
      // What removed it may not have been synced either.
    }
  }

  #verify(): void {
    assert.deepEqual(this.#store.damage(), []);
    // Nothing that a crash leaves is taken for somebody else's.
    assert.doesNotMatch(this.#store.found.notes.join("\n"), /are not events/);
    for (const [name, model] of this.#models) {
      const { firstSeq, lastSeq } = this.#store.head(name);
      assert.ok(
        lastSeq >= model.floor,
        `${name}: the last seq ${lastSeq} is not below ${model.floor}`,
      );
      const ids = new Map<number, string>();
      let expected = firstSeq;
      for (let from = 1; from <= lastSeq;) {
        const page = this.#store.readLines(name, { from, to: lastSeq, limit: 17 });
        for (const line of decoder.decode(page.bytes).split("\n").slice(0, -1)) {
          const { seq, id } = JSON.parse(line);
          assert.equal(seq, expected++, `${name}: no hole`);
          assert.ok(model.sent.has(id), `${name}: ${id} was sent`);
          ids.set(seq, id);
        }
        from = page.next;
      }
      assert.equal(expected, lastSeq + 1, `${name}: up to its end`);
      for (const [seq, id] of model.acknowledged) {
        if (seq >= model.kept) assert.equal(ids.get(seq), id, `${name}: ${seq} is there`);
      }
      model.floor = Math.max(model.floor, lastSeq);
      // What was not acknowledged and is there counts from now on.
      for (const [seq, id] of ids) {
        model.acknowledged.set(seq, id);
        if (id.startsWith("given-")) model.given.set(id, seq);
      }
    }
  }

  async end(): Promise<void> {
    this.#disk.onCall = undefined;
    this.#verify();
    await this.#store.close();
  }
}

for (const durability of ["always", "os"] as const) {
  for (const lookAtMost of [100, 0]) {
    const how = lookAtMost === 0 ? "a start from its checkpoint" : "a look at every topic";
    Deno.test(`FileEventStore keeps what it promised with durability ${durability} and ${how}, whatever happens`, async () => {
      const seed = Deno.env.get("EVS_SEED");
      await fc.assert(
        fc.asyncProperty(
          fc.nat(1_000_000),
          fc.array(step, { maxLength: 40 }),
          async (seed, steps) => {
            const run = new Run(seed, durability, lookAtMost);
            for (const step of steps) await run.take(step);
            await run.end();
          },
        ),
        { numRuns: dose(100), ...(seed === undefined ? {} : { seed: Number(seed) }) },
      );
    });
  }
}
