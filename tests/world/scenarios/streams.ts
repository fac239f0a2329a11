/** Lines stream into a topic while the daemon is restarted and killed: each is stored once. */
import { systemClock } from "../../../core/base/clock.ts";
import { Client } from "../../../core/client/client.ts";
import { splitLines } from "../../../core/client/connection.ts";
import { sendLines } from "../../../commands/publisher/pipeline.ts";
import { Recovery } from "../../../commands/publisher/recovery.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { SPAN_MS } from "./scenario.ts";
import { insist } from "./calls.ts";
import type { Random } from "../types.ts";

const encoder = new TextEncoder();

function plan(random: Random): Act[] {
  return [{
    at: random.int(0, 3000),
    act: "stream",
    args: { lines: random.int(20, 100), pauseMs: random.int(20, 200), part: random.int(1, 9) },
  }];
}

function begin({ world, daemon }: ScenarioContext): RunningScenario {
  const promise = "A published stream survives a restart of the daemon";
  const topic = "lines";
  const streams: Promise<void>[] = [];
  async function stream(count: number, { pauseMs, part }: { pauseMs: number; part: number }) {
    const client = new Client({ socket: daemon.socket });
    const recovery = new Recovery({
      client,
      topic,
      clock: systemClock,
      limitMs: 10 * SPAN_MS,
      interrupted: () => false,
      say() {},
    });
    let sent = 0;
    const next = async () => {
      if (sent >= count) return null;
      await world.sleep(pauseMs);
      const lines = Array.from({ length: Math.min(part, count - sent) }, (_, i) => `${sent + i}\n`);
      sent += lines.length;
      return encoder.encode(lines.join(""));
    };
    const tally = await sendLines(await first(recovery), next, {
      topic,
      query: { type: "t" },
      skip: 0,
      clock: systemClock,
      recovery,
      onRefused: ({ message }) => world.violated(promise, `a line was refused: ${message}`),
    });
    client.close();
    if (tally.failure) world.violated(promise, `the stream ended: ${tally.failure.message}`);
    const got: number[] = [];
    await insist({ world, daemon }, async (reader) => {
      got.length = 0;
      const response = await reader.read({ topic: [topic] });
      for await (const line of splitLines(response.body())) {
        got.push(JSON.parse(new TextDecoder().decode(line)).payload);
      }
    });
    if (got.join() !== Array.from({ length: count }, (_, i) => i).join()) {
      world.violated(promise, `${count} lines became ${got.join()}`);
    }
  }
  async function first(recovery: Recovery) {
    for (;;) {
      const connection = await recovery.begin().catch(() => undefined);
      if (connection) return connection;
      await world.sleep(100);
    }
  }
  return {
    act({ args: { lines, pauseMs, part } }) {
      const options = { pauseMs: pauseMs as number, part: part as number };
      streams.push(stream(lines as number, options));
    },
    judge: async () => void await Promise.all(streams),
  };
}

export const streams: Scenario = { name: "streams", tolerates: ["kill"], plan, begin };
