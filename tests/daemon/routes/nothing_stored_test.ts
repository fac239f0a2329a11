/** An array of events is stored all or none: whatever is wrong with it, the error says so. */
import assert from "node:assert/strict";
import { startDaemon } from "../../helpers/daemon.ts";

const GOOD = '{"topic":"t","type":"x","payload":1}';

Deno.test("POST of an array of events says that nothing was stored, whatever is wrong with it", async () => {
  await using at = await startDaemon();
  const bodies: [what: string, body: string | Uint8Array][] = [
    ["cut off", `[${GOOD},{"topic":`],
    ["a comma too many", `[${GOOD},]`],
    ["two arrays", `[${GOOD}][]`],
    ["no quotes", `[${GOOD},{topic:"t"}]`],
    ["not an event", `[${GOOD},7]`],
    ["no payload", `[${GOOD},{"topic":"t","type":"x"}]`],
    ["an unknown member", `[${GOOD},{"topic":"t","type":"x","payload":1,"payloud":2}]`],
    ["not UTF-8", new Uint8Array([0x5b, 0x22, 0xff, 0x22, 0x5d])],
  ];
  for (const path of ["/v1/events", "/v1/topics/t/events"]) {
    for (const [what, body] of bodies) {
      const given = path === "/v1/events" || typeof body !== "string"
        ? body
        : body.replaceAll('"topic":"t",', "");
      const { status, text } = await at.http("POST", path, given, {
        "content-type": "application/json",
      });
      assert.equal(status, 422, `${path}, ${what}: ${text}`);
      const { message } = JSON.parse(text).error;
      assert.equal(message.split("nothing was stored").length, 2, `${path}, ${what}: ${message}`);
    }
  }
  assert.equal((await at.http("GET", "/v1/topics/t/events")).status, 404);
});
