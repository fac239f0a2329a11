/**
 * The AsyncAPI document of a daemon is valid by the official parser, the same over HTTP and from
 * `evs`. The parser takes seconds to load, so one document has everything.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { project } from "../helpers/shell.ts";

/**
 * A program of its own, with a lock file of its own: the parser's packages bring types of Node that
 * would take the place of Deno's in every other test.
 */
const PARSE = `
import { Parser } from "npm:@asyncapi/parser@3.6.6";

const text = await new Response(Deno.stdin.readable).text();
const { document, diagnostics } = await new Parser().parse(text);
const channels = document?.channels().all() ?? [];
console.log(JSON.stringify({
  errors: diagnostics.filter(({ severity }) => severity === 0),
  channels: channels.map((channel) => channel.address()),
  types: channels.flatMap((channel) => channel.messages().all().map((one) => one.name())),
  titles: document?.components().messages().all().map((message) => message.title()).sort(),
}));
`;

async function parsed(text: string): Promise<Record<string, unknown>> {
  const file = await Deno.makeTempFile({ suffix: ".mjs" });
  try {
    await Deno.writeTextFile(file, PARSE);
    const lock = `${project}/tests/packages/asyncapi_parser.lock`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-config", `--lock=${lock}`, "--frozen", "-A", file],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(text));
    await input.close();
    const { success, stdout, stderr } = await child.output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(file);
  }
}

const order = {
  $id: "https://shop.example/order",
  type: "object",
  required: ["total"],
  properties: { total: { $ref: "#money" }, lines: { $ref: "#/$defs/lines" } },
  $defs: {
    money: { $anchor: "money", type: "number", minimum: 0 },
    lines: { type: "array", prefixItems: [{ $ref: "#money" }], unevaluatedItems: false },
  },
};

Deno.test("schema asyncapi prints a document that the official parser accepts", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/schemas/order.placed?version=1.0", { type: "object" });
  await at.http("PUT", "/v1/schemas/order.placed?version=2.0", order);
  await at.http("PUT", "/v1/schemas/old%20one", {
    $schema: "http://json-schema.org/draft-07/schema#",
    definitions: { x: { type: "string" } },
    properties: { x: { $ref: "#/definitions/x" } },
  });
  await at.publish("orders.eu", "order.placed", { total: 1 });
  await at.publish("orders.eu", "order paid/ü", 1);
  await at.http("PUT", "/v1/topics/empty");
  const { stdout, code, stderr } = await evs(["schema", "asyncapi"], { at });
  assert.equal(code, 0, stderr);
  assert.equal((await at.http("GET", "/v1/asyncapi")).text, stdout);

  assert.deepEqual(await parsed(stdout), {
    errors: [],
    channels: ["empty", "orders.eu"],
    types: ["order paid/ü", "order.placed"],
    titles: ["old one 1.0", "order paid/ü", "order.placed 1.0", "order.placed 2.0"],
  });
});
