/**
 * Somebody deletes a line of a segment in an editor while the daemon is down. That is told, and what
 * is intact is served.
 */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { ask, insist, request } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "journal";
const PROMISE = "9. Damage is detected, reported and kept";
const LF = 0x0a;
/** So many are published together, and share a block and its checksum, */
const TOGETHER = 3;
/** and are so large that no others come into it, bytes. */
const PAYLOAD_BYTES = 8000;

function plan(random: Random): Act[] {
  const count = random.int(5, 15);
  return [
    { at: 0, act: "fill", args: { count } },
    {
      at: 3000,
      act: "cut",
      args: { line: random.int(0, TOGETHER * count - 1), kills: random.chance(0.5) },
    },
  ];
}

class CutLines implements RunningScenario {
  readonly #context: ScenarioContext;
  #turn: Promise<void> = Promise.resolve();
  #stored = 0;

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> {
    return this.#turn = this.#turn.then(() =>
      act === "fill"
        ? this.#fill(args["count"] as number)
        : this.#cut(args as unknown as { line: number; kills: boolean })
    );
  }

  judge(): Promise<void> {
    return this.#turn;
  }

  async #fill(count: number): Promise<void> {
    const event = { type: "t", payload: "x".repeat(PAYLOAD_BYTES) };
    const body = JSON.stringify(Array.from({ length: TOGETHER }, () => event));
    for (let i = 0; i < count; i++) {
      const answer = await ask(this.#context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done") this.#stored += TOGETHER;
    }
  }

  async #cut({ line, kills }: { line: number; kills: boolean }): Promise<void> {
    const { world, world: { machine }, daemon } = this.#context;
    if (this.#stored === 0) return;
    if (kills) daemon.kill();
    else await daemon.shutDown();
    await world.sleep(100);
    const path = machine.files(daemon.dataDir).find((file) => file.endsWith(".ndjson"));
    if (path === undefined) return;
    machine.put(path, withoutLine(machine.bytes(path), line % this.#stored));
    const started = await daemon.start();
    if (started !== "ready") world.violated(PROMISE, `it did not start: ${started.said}`);
    const { health } = await insist(this.#context, (client) => client.status());
    const { text } = await insist(
      this.#context,
      (client) => request(client, { method: "GET", path: `/v1/topics/${TOPIC}/events` }),
    );
    const there = text.split("\n").filter(Boolean).length;
    if (health === "ok") world.violated(PROMISE, "a line is gone, and all is well");
    if (there < this.#stored - TOGETHER) {
      world.violated(PROMISE, `${there} of ${this.#stored} events are served, and one is gone`);
    }
  }
}

function withoutLine(bytes: Uint8Array, line: number): Uint8Array {
  let from = 0;
  for (let i = 0; i < line; i++) from = bytes.indexOf(LF, from) + 1;
  const to = bytes.indexOf(LF, from) + 1;
  const rest = new Uint8Array(bytes.length - (to - from));
  rest.set(bytes.subarray(0, from));
  rest.set(bytes.subarray(to), from);
  return rest;
}

export const cutLines: Scenario = {
  name: "cut lines",
  tolerates: [],
  store: "file",
  plan,
  begin: (context) => new CutLines(context),
};
