/**
 * A whole number beyond 2^53, from a publisher's input to its key, every filter and a handler's
 * environment.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

const A = "1234567890123456789";
const B = "1234567890123456788";

for (const store of ["sqlite", "file"]) {
  Deno.test(`evs keeps whole numbers as they were written, as keys and in every filter (${store})`, async () => {
    await using at = await startDaemon({ store });
    const run = (args: string[], stdin?: string) => evs(args, { at, stdin });
    const seqs = (text: string) =>
      text.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line).seq);
    const lines = [A, B, "1.50", "7", `${A}.0`].map((n) => `{"acct":${n}}\n`).join("");
    const published = await run(["publish", "t", "x", "--ndjson", "--key-pointer", "/acct"], lines);
    assert.equal(published.code, 0, published.stderr);
    await run(
      ["publish", "t", "--envelope", "--key-pointer", "/a/1"],
      `{"type":"x","payload":{"a":[0,${A}]}}\n`,
    );

    const { stdout } = await run(["replay", "t"]);
    const keys = stdout.trim().split("\n").map((line) => JSON.parse(line).key);
    assert.deepEqual(keys, [A, B, "1.50", "7", `${A}.0`, A]);

    const meta = await at.http(
      "POST",
      `/v1/topics/m/events?type=x&metadata={"n":${A},"f":1.50}`,
      "1",
    );
    assert.equal(meta.status, 200, meta.text);
    const kept = (await run(["replay", "m"])).stdout;
    assert.match(kept, new RegExp(`"metadata":{"n":${A},"f":1.5}`));

    const is = `payload.acct == ${A}`;
    const differs = `payload.acct != ${A} && payload.acct > 100`;
    assert.deepEqual(seqs((await run(["replay", "t", "--where", is])).stdout), [1, 5]);
    assert.deepEqual(seqs((await run(["replay", "t", "--where", differs])).stdout), [2]);
    assert.deepEqual(seqs((await run(["tail", "t", "--no-follow", "--where", is])).stdout), [1, 5]);
    const over = await at.http("GET", `/v1/topics/t/events?where=${encodeURIComponent(is)}`);
    assert.deepEqual(seqs(over.text), [1, 5]);

    const expected = await run(["expect", "t", "--where", is, "--count", "2", "--timeout", "10m"]);
    assert.equal(expected.code, 0, expected.stderr);
    const none = await run([
      "expect",
      "t",
      "--where",
      `payload.acct == ${A.slice(0, -1)}7`,
      "--timeout",
      "1s",
    ]);
    assert.equal(none.code, 1);

    const consumed = await run([
      ...["consume", "t", "--name", "s", "--where", is, "--from", "start", "--until-empty", "--"],
      ...["sh", "-c", 'printf "%s\\n" "$EVS_KEY"'],
    ]);
    assert.equal(consumed.code, 0, consumed.stderr);
    assert.deepEqual(consumed.stdout.trim().split("\n"), [A, `${A}.0`]);
  });
}
