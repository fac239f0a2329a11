/** `evs replay --reverse` and `reverse=1`: the newest event first. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand } from "../helpers/evs.ts";

function payloads(text: string): unknown[] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line).payload);
}

const CASES: [args: string[], query: string, payloads: number[]][] = [
  [[], "", [5, 4, 3, 2, 1]],
  [["--limit", "2"], "limit=2", [5, 4]],
  [["--from", "2", "--to", "4"], "from=2&to=4", [4, 3, 2]],
  [["--from", "-2"], "from=-2", [5, 4]],
  [["--type", "b"], "type=b", [4, 2]],
  [["--type", "b", "--limit", "1"], "type=b&limit=1", [4]],
  [["--where", "payload > 2", "--to", "4"], "where=payload%20%3E%202&to=4", [4, 3]],
  [["--from", "end"], "from=end", []],
];

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`replay --reverse prints the newest first, within the same range: ${store}`, async () => {
    await using at = await startDaemon({ store });
    for (let n = 1; n <= 5; n++) await at.publish("t", n % 2 ? "a" : "b", n);
    for (const [args, query, wanted] of CASES) {
      const { code, stdout, stderr } = await evs(["replay", "t", "--reverse", ...args], { at });
      assert.deepEqual([code, stderr], [0, ""]);
      assert.deepEqual(payloads(stdout), wanted, args.join(" "));
      const answer = await at.http("GET", `/v1/topics/t/events?reverse=1&${query}`);
      assert.equal(answer.text, stdout);
    }
    await at.publish("u", "a", 6);
    const several = await evs(["replay", "t", "u", "--reverse", "--limit", "3"], { at });
    assert.deepEqual(payloads(several.stdout), [6, 5, 4]);
  });
}

Deno.test("replay --reverse refuses what runs forwards: --into, --speed, follow", async () => {
  await using at = await startDaemon();
  await at.publish("t", "a", 1);
  for (
    const [args, words] of [[["--into", "u"], /--into/], [["--speed", "2x"], /--speed/]] as const
  ) {
    const { code, stderr } = await evs(["replay", "t", "--reverse", ...args], { at });
    assert.equal(code, 2);
    assert.match(stderr, words);
  }
  assert.equal((await evs(["replay", "t", "--reverse", "--speed", "max"], { at })).code, 0);
  const counted = await evs(["replay", "t", "--reverse", "--dry-run"], { at });
  assert.equal(JSON.parse(counted.stdout).events, 1);
  const refused = await at.http("GET", "/v1/topics/t/events?reverse=1&follow=1");
  assert.equal(refused.status, 400);
  assert.match(refused.json.error.message, /leave out reverse, or follow/);
});

/** Far more than the sockets and pipes between the daemon and an unread output hold. */
async function fill(at: TestDaemon, topic: string): Promise<void> {
  const text = "x".repeat(10_000);
  const payloads = Array.from({ length: 100 }, () => text);
  for (let n = 0; n < 4; n++) await at.publish(topic, "x", ...payloads);
}

Deno.test("replay --reverse goes on below what it printed when the daemon is killed meanwhile", async () => {
  await using at = await startDaemon();
  for (const topic of ["t", "u"]) await fill(at, topic);
  for (const topics of [["t"], ["t", "u"]]) {
    const command = evsCommand(["replay", ...topics, "--reverse"], { at });
    const child = new Deno.Command(command.program, command.options).spawn();
    const decoder = new TextDecoder();
    const reader = child.stdout.getReader();
    const first = await reader.read();
    let text = decoder.decode(first.value, { stream: true });
    await at.kill("SIGKILL");
    await at.start();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += decoder.decode(next.value, { stream: true });
    }
    const stderr = await new Response(child.stderr).text();
    assert.equal((await child.status).code, 0, stderr);
    assert.match(stderr, /going on without a gap/);
    const events = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    for (const topic of topics) {
      const seqs = events.filter((event) => event.topic === topic).map(({ seq }) => seq);
      assert.deepEqual(seqs, Array.from({ length: 400 }, (_, i) => 400 - i));
    }
  }
});

Deno.test("an EventSource goes on below the last id when it reads in reverse", async () => {
  await using at = await startDaemon();
  for (let n = 1; n <= 4; n++) await at.publish(n % 2 ? "t" : "u", "a", n);
  const path = "/v1/events?topic=t&topic=u&reverse=1";
  const sse = { accept: "text/event-stream" };
  const first = await at.http("GET", `${path}&limit=1`, undefined, sse);
  const [, id] = /^id: (.*)$/m.exec(first.text)!;
  const rest = await at.http("GET", path, undefined, { ...sse, "last-event-id": id! });
  const seen = [...`${first.text}${rest.text}`.matchAll(/^data: (.*)$/gm)]
    .map(([, data]) => JSON.parse(data!).payload);
  assert.deepEqual(seen, [4, 3, 2, 1]);
});
