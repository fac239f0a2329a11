/**
 * Somebody, or a disk, changes bytes of the files with the events while the daemon is down: bits
 * flip, sectors are zero, pieces are gone or too many, an older copy is back. What is damaged is
 * told and never served as something else, the rest is served, and no number is used again.
 */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { ask, insist, request } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "ledger";
const PROMISE = "9. Damage is detected, reported and kept";

const KINDS = [
  "flip",
  "flip",
  "flip page head",
  "flip page head",
  "zero",
  "cut",
  "insert",
  "append",
  "line away",
  "line twice",
  "take",
  "older",
] as const;

/** What is done to a file; the numbers from 0 to below 1 pick the file and the place. */
interface Damage {
  kind: typeof KINDS[number];
  path: string;
  nth: number;
  at: number;
  bit: number;
  bytes: number;
  text: string;
}

interface Fill {
  requests: { count: number; bytes: number; key?: string; named: boolean }[];
}

const LF = 0x0a;
const SECTOR = 512;
const PAGE = 16_384;
/** In the head of a database: the format number and the application of a newer or foreign one. */
const [IDENTITY, IDENTITY_END] = [56, 72];
const encoder = new TextEncoder();

/** What other programs, or a crash, leave behind the last line. */
const TEXTS = [
  "a note\n",
  "a note",
  "\0".repeat(700),
  '{"seq":',
  '{"seq":1,"id":"x","type":"t","topic":"other","timestamp":1}\n',
];

function fill(random: Random): Act["args"] {
  const requests = Array.from({ length: random.int(2, 12) }, () => ({
    count: random.pick([1, 1, 3, 20]),
    bytes: random.pick([10, 10, 700, 9000, 40_000]),
    ...(random.chance(0.3) ? { key: random.pick(["x", "y"]) } : {}),
    named: random.chance(0.3),
  }));
  return { requests };
}

function damage(random: Random): Act["args"] {
  return {
    kind: random.pick(KINDS),
    path: random.pick([".ndjson", ".ndjson", ".index", "events.db", "events.db-wal", "/events"]),
    nth: random.next(),
    at: random.next(),
    bit: random.int(0, 7),
    bytes: random.pick([1, 2, 40, 600, 20_000]),
    text: random.pick(TEXTS),
  };
}

function plan(random: Random): Act[] {
  const acts: Act[] = [];
  let at = 0;
  const act = (name: string, args: Act["args"]) =>
    void acts.push({ at: at += 1000, act: name, args });
  for (let round = random.int(1, 4); round > 0; round--) {
    act("fill", fill(random));
    act("stop", { kills: random.chance(0.7) });
    for (let i = random.pick([1, 1, 2, 3]); i > 0; i--) act("damage", damage(random));
    act("start", {});
  }
  return acts;
}

class DamagedFiles implements RunningScenario {
  readonly #context: ScenarioContext;
  /** What was acknowledged: the number of the event, by its seq. */
  readonly #stored = new Map<number, number>();
  /** Copies of files from the first stop. */
  readonly #older = new Map<string, Uint8Array>();
  /** What was damaged: files of lines, indexes, databases. */
  readonly #damaged = new Set<string>();
  #last = 0;
  #n = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act(act: Act): Promise<void> {
    return this.#turn = this.#turn.then(() => this.#act(act));
  }

  judge(): Promise<void> {
    return this.#turn;
  }

  async #act({ act, args }: Act): Promise<void> {
    const { world, daemon } = this.#context;
    switch (act) {
      case "fill":
        return await this.#fill(args as unknown as Fill);
      case "stop":
        // What is recorded of a data dir may be a second behind, and a kill loses that. A power cut
        // would lose more: it is not synced.
        await world.sleep(1500);
        if (args["kills"]) daemon.kill();
        else await daemon.shutDown();
        return this.#copy();
      case "damage":
        return this.#damage(args as unknown as Damage);
      case "start":
        return await this.#start();
    }
  }

  async #fill({ requests }: Fill): Promise<void> {
    for (const { count, bytes, key, named } of requests) {
      const numbers = Array.from({ length: count }, () => ++this.#n);
      const body = JSON.stringify(numbers.map((n) => ({
        type: "t",
        payload: { n, text: "x".repeat(bytes) },
        ...(key === undefined ? {} : { key }),
        ...(named ? { id: `id-${n}` } : {}),
      })));
      const answer = await ask(this.#context, (client) => client.publish(TOPIC, body));
      if (answer.is !== "done") continue;
      this.#wasStored(numbers, answer.value.firstSeq);
    }
  }

  #wasStored(numbers: readonly number[], firstSeq: number): void {
    const { world } = this.#context;
    if (firstSeq <= this.#last) {
      world.violated(PROMISE, `the seq ${firstSeq} was used again; ${this.#last} was the last`);
    }
    numbers.forEach((n, i) => this.#stored.set(firstSeq + i, n));
    this.#last = firstSeq + numbers.length - 1;
  }

  #copy(): void {
    const { world: { machine }, daemon } = this.#context;
    if (this.#older.size > 0) return;
    for (const file of machine.files(daemon.dataDir)) {
      if (file.includes("/events")) this.#older.set(file, machine.bytes(file).slice());
    }
  }

  #damage(of: Damage): void {
    const { world, world: { machine }, daemon } = this.#context;
    const all = machine.files(daemon.dataDir).filter((file) => file.includes("/events"));
    const named = all.filter((file) => file.includes(of.path));
    const files = (named.length > 0 ? named : all).filter((file) => !file.endsWith("/format"));
    const file = files[Math.floor(of.nth * files.length)];
    if (file === undefined) return;
    const before = machine.bytes(file);
    const after = of.kind === "take" ? undefined : changed(before, of, this.#older.get(file));
    if (after === undefined) machine.takeAway(file);
    else if (isSame(before, after)) return;
    else machine.put(file, after);
    const [kind] = /(\.db|\.[a-z]+)[^/]*$/.exec(file) ?? [file];
    this.#damaged.add(kind!.startsWith(".db") ? ".db" : kind!);
    world.note("somebody", `${of.kind}: ${file}, ${before.length} to ${after?.length ?? 0} bytes`);
  }

  async #start(): Promise<void> {
    const { world, world: { machine }, daemon } = this.#context;
    let started = await daemon.start();
    // A write found what no read had: the next start repairs it.
    if (started !== "ready" && started.said.includes("malformed")) started = await daemon.start();
    // Nothing in the database is intact: somebody moves it away, as the error says.
    if (started !== "ready" && started.said.includes("then move it away")) {
      for (const suffix of ["", "-wal"]) machine.takeAway(`${daemon.dataDir}/events.db${suffix}`);
      started = await daemon.start();
    }
    if (started !== "ready") world.violated(PROMISE, `it did not start: ${started.said}`);
    await this.#look();
  }

  async #look(): Promise<void> {
    const { world } = this.#context;
    const { text } = await insist(
      this.#context,
      (client) => request(client, { method: "GET", path: `/v1/topics/${TOPIC}/events` }),
    );
    const served = new Map(
      text.split("\n").filter(Boolean).map((line): [number, number] => {
        const { seq, payload } = JSON.parse(line);
        return [seq, payload?.n];
      }),
    );
    // Reading finds what is damaged.
    const { health } = await insist(this.#context, (client) => client.status());
    // Without its index a line is taken as it is: no checksum vouches for it.
    const isVouched = !this.#damaged.has(".index");
    for (const [seq, n] of this.#stored) {
      const is = served.get(seq);
      if (is === undefined && health === "ok") {
        world.violated(PROMISE, `event ${seq} is not served, and all is well`);
      }
      if (is !== undefined && is !== n && isVouched) {
        world.violated(PROMISE, `event ${seq} was ${n}, and ${is} is served`);
      }
    }
    await this.#fill({ requests: [{ count: 1, bytes: 10, named: false }] });
  }
}

/** The bytes of a file with this damage. */
function changed(
  bytes: Uint8Array,
  { kind, at, bit, bytes: size, text }: Damage,
  older: Uint8Array | undefined,
): Uint8Array {
  const place = Math.floor(at * bytes.length);
  switch (kind) {
    case "flip":
      return flipped(bytes, place, bit);
    case "flip page head":
      return flipped(bytes, Math.floor(place / PAGE) * PAGE + (size % 24), bit);
    case "zero": {
      const from = Math.floor(place / SECTOR) * SECTOR;
      return spliced(bytes, from, { length: SECTOR, by: new Uint8Array(SECTOR) });
    }
    case "cut":
      return bytes.slice(0, Math.max(0, bytes.length - size));
    case "insert":
      return spliced(bytes, place, { by: encoder.encode(text) });
    case "append":
      return spliced(bytes, bytes.length, { by: encoder.encode(text) });
    case "line away":
    case "line twice": {
      const from = bytes.lastIndexOf(LF, place - 1) + 1;
      const end = bytes.indexOf(LF, from);
      const line = bytes.slice(from, end < 0 ? bytes.length : end + 1);
      return kind === "line away"
        ? spliced(bytes, from, { length: line.length })
        : spliced(bytes, from, { by: line });
    }
    default:
      return older ?? bytes;
  }
}

function flipped(bytes: Uint8Array, place: number, bit: number): Uint8Array {
  const after = bytes.slice();
  if (place >= IDENTITY && place < IDENTITY_END) return after;
  if (place < after.length) after[place]! ^= 1 << bit;
  return after;
}

function spliced(
  bytes: Uint8Array,
  at: number,
  { length = 0, by = new Uint8Array(0) }: { length?: number; by?: Uint8Array },
): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + length));
  const after = new Uint8Array(at + by.length + rest.length);
  after.set(bytes.subarray(0, at));
  after.set(by, at);
  after.set(rest, at + by.length);
  return after;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

export const damagedFiles: Scenario = {
  name: "damaged files",
  tolerates: [],
  plan,
  begin: (context) => new DamagedFiles(context),
};
