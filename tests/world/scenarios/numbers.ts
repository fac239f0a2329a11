/** Numbers that a double cannot hold, in filters, keys and schemas. */
import { splitLines } from "../../../core/client/connection.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "sums";

/** Schemas, payloads, and whether these fit. */
const VERDICTS: readonly (readonly [schema: string, payload: string, fits: boolean])[] = [
  [`{"multipleOf":0.01}`, "19.99", true],
  [`{"multipleOf":0.01}`, "4.35", true],
  [`{"multipleOf":0.01}`, "4.355", false],
  [`{"maximum":9007199254740992}`, "9007199254740993", false],
  [`{"const":1234567890123456789}`, "1234567890123456788", false],
  [`{"const":1234567890123456789}`, "1234567890123456789", true],
  [`{"properties":{"constructor":{"type":"string"}}}`, `{"driver":"d"}`, true],
  [`{"required":["constructor"]}`, `{"driver":"d"}`, false],
  [
    `{"patternProperties":{"^x-":{"type":"string"}},"if":{"required":["z"]},"then":{"additionalProperties":false}}`,
    `{"x-note":"n"}`,
    true,
  ],
  [
    `{"patternProperties":{"^a":{}},"oneOf":[{"additionalProperties":false},{"type":"array"}]}`,
    `{"a":1}`,
    false,
  ],
  [
    `{"$ref":"#/$defs/p","oneOf":[{"required":["p1"],"properties":{"p1":true}},{"required":["p2"],"properties":{"p2":true}}],"unevaluatedProperties":false,"$defs":{"p":{"properties":{"base":true}}}}`,
    `{"base":1,"p2":1}`,
    true,
  ],
];
/** Of which no two are equal, and all round to the same double or nearly so. */
const ACCOUNTS = ["1234567890123456788", "1234567890123456789", "1234567890123456790"];

function plan(random: Random): Act[] {
  const checks = spread(random, {
    count: random.int(2, 8),
    act: () => ({ act: "check", args: { which: random.int(0, VERDICTS.length - 1) } }),
  });
  const sums = spread(random, {
    count: random.int(2, 8),
    act: () => ({ act: "publish", args: { account: random.pick(ACCOUNTS) } }),
  });
  return [...checks, ...sums];
}

function begin(context: ScenarioContext): RunningScenario {
  const { world } = context;
  const promise = "30. Numbers keep their exact value";
  /** How many events each account surely has, and may have at most. */
  const counts = new Map(ACCOUNTS.map((account) => [account, { least: 0, most: 0 }]));
  async function check(which: number): Promise<void> {
    const [schema, payload, fits] = VERDICTS[which]!;
    const type = `check-${which}`;
    const made = await ask(context, (c) => c.registerSchema(type, schema, { version: "1.0" }));
    if (made.is !== "done") return;
    const body = `{"type":"${type}","payload":${payload}}`;
    const answer = await ask(context, (client) => client.publish("checks", body));
    if (answer.is === "lost") return;
    const isRefused = answer.is === "refused";
    if (isRefused && !answer.error.code.startsWith("event/")) {
      if (/^(?:internal|system)\//.test(answer.error.code)) {
        world.violated("25. A hostile schema or payload stalls no one", String(answer.error));
      }
      return;
    }
    if (isRefused === fits) world.violated(promise, `${schema} judged ${payload} wrong`);
  }
  return {
    async act({ act, args }) {
      if (act === "check") return await check(args["which"] as number);
      const account = String(args["account"]);
      const query = { keyPointer: "/account" };
      const answer = await ask(
        context,
        (c) => c.publish(TOPIC, `{"account":${account}}`, { query: { ...query, type: "t" } }),
      );
      const count = counts.get(account)!;
      if (answer.is !== "refused") count.most++;
      if (answer.is === "done") count.least++;
    },
    async judge() {
      for (const [account, { least, most }] of counts) {
        // Where nothing was surely stored there may be no topic.
        if (![...counts.values()].some((count) => count.least > 0)) continue;
        for (const where of [`payload.account == ${account}`, `event.key == "${account}"`]) {
          const found = await insist(context, async (client) => {
            const response = await client.read({ topic: [TOPIC], where });
            let lines = 0;
            for await (const _ of splitLines(response.body())) lines++;
            return lines;
          });
          if (found < least || found > most) {
            world.violated(promise, `${where}: ${found} events, of ${least} to ${most}`);
          }
        }
      }
    },
  };
}

export const numbers: Scenario = { name: "numbers", plan, begin };
