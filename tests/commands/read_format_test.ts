/** `--format` and `--raw` of `evs tail`, `replay`, `get` and `expect`. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

Deno.test("tail, replay and get --format print what the format says, and nothing else", async () => {
  await using at = await startDaemon();
  for (const [key, total] of [["o1", "12.50"], ["o2", '"none"']] as const) {
    const payload = `{"total":${total}}`;
    const { code, stderr } = await evs(
      ["publish", "orders", "order.placed", payload, "--key", key, "--id", `id-${key}`],
      { at },
    );
    assert.equal(code, 0, stderr);
  }
  const format = ["--format", String.raw`%t\t%s\t%i\t%k\t%y\t%{/total}\t%p %%\n`];
  const lines = [
    'orders\t1\tid-o1\to1\torder.placed\t12.50\t{"total":12.50} %\n',
    'orders\t2\tid-o2\to2\torder.placed\tnone\t{"total":"none"} %\n',
  ];
  const { stdout, stderr } = await evs(["replay", "orders", ...format], { at });
  assert.equal(stdout, lines.join(""), stderr);
  const fast = await evs(["replay", "orders", "--speed", "1000x", ...format], { at });
  assert.equal(fast.stdout, lines.join(""));
  const tail = await evs(["tail", "orders", "--no-follow", "-n", "1", ...format], { at });
  assert.equal(tail.stdout, lines[1]);
  const get = await evs(["get", "orders", "id-o1", ...format], { at });
  assert.equal(get.stdout, lines[0]);
  const bare = await evs(["replay", "orders", "--format", "%s,"], { at });
  assert.equal(bare.stdout, "1,2,");
  const time = await evs(["get", "orders", "1", "--format", "%T"], { at });
  const [event] = await at.replay("orders");
  assert.equal(time.stdout, new Date(Number(event?.timestamp)).toISOString());
});

Deno.test("tail --format prints an event as soon as it is there", async () => {
  await using at = await startDaemon();
  const argv = ["tail", "t", "-n", "0", "--format", String.raw`%s %p\n`];
  const tail = new RunningEvs(argv, { at });
  await until(async () => (await at.http("GET", "/v1/status")).json.tails === 1);
  for (const n of [1, 2]) {
    await evs(["publish", "t", "note", `text ${n}`, "--text"], { at });
    await until(() => tail.stdout.split("\n").length === n + 1);
  }
  assert.equal(tail.stdout, "1 text 1\n2 text 2\n");
  tail.child.kill("SIGINT");
  await tail.end();
});

Deno.test("replay --raw prints payloads byte for byte, strings as text", async () => {
  await using at = await startDaemon();
  const stdin = ['{"n": 9007199254740993, "n":1.0}', '"a \\"b\\"\\nc"', "null", '""'].join("\n");
  await evs(["publish", "t", "x", "--ndjson"], { at, stdin });
  const raw = '{"n": 9007199254740993, "n":1.0}\na "b"\nc\nnull\n\n';
  assert.equal((await evs(["replay", "t", "--raw"], { at })).stdout, raw);
  assert.equal((await evs(["tail", "t", "--no-follow", "--raw"], { at })).stdout, raw);
  assert.equal((await evs(["get", "t", "2", "--raw"], { at })).stdout, 'a "b"\nc\n');
  const expect = ["expect", "t", "--timeout", "60s", "--raw"];
  assert.equal((await evs(expect, { at })).stdout, '{"n": 9007199254740993, "n":1.0}\n');
});

Deno.test("a wrong format is refused with its token and place before anything is read", async () => {
  for (const verb of [["tail", "t"], ["replay", "t"], ["get", "t", "1"]]) {
    const { code, stdout, stderr } = await evs([...verb, "--format", "%s %q"]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(
      stderr,
      /^evs: --format cannot be "%s %q": %q at character 4 is no token; there are/,
    );
    const both = await evs([...verb, "--format", "%s", "--raw"]);
    assert.deepEqual([both.code, both.stdout], [2, ""]);
    assert.match(both.stderr, /--raw and --format exclude each other/);
  }
  for (const [flag, value] of [["--raw"], ["--format", "%s"]]) {
    for (const other of [["--into", "copy"], ["--dry-run"]]) {
      const words = ["replay", "t", flag!, ...(value === undefined ? [] : [value]), ...other];
      const { code, stderr } = await evs(words);
      assert.equal(code, 2);
      assert.match(stderr, /does not go with --(into|dry-run): no events are printed/);
    }
  }
});
