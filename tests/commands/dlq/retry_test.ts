/** `evs dlq retry` that ends midway: what was sent, what was not, and what to type for the rest. */
import assert from "node:assert/strict";
import { evs } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";

interface Action {
  ids: string[];
  action?: string;
  to?: string;
}

/** What a daemon answers to a retry; undefined: it goes away. */
type Answer = (action: Action) => { status: number; body: unknown } | undefined;

/** Runs `evs dlq retry` with a daemon that answers so; returns what the daemon was asked. */
async function retry(args: readonly string[], answer: Answer) {
  const folder = await testFolder("test");
  const socket = `${folder}/evs.sock`;
  const asked: Action[] = [];
  using listener = Deno.listen({ transport: "unix", path: socket });
  const serving = (async () => {
    for await (const connection of listener) void serve(connection, { asked, answer });
  })();
  const at = { socket, dataDir: `${folder}/data` };
  const result = await evs(["dlq", "retry", ...args], { at });
  listener.close();
  await serving;
  await Deno.remove(folder, { recursive: true });
  return { ...result, asked };
}

async function serve(
  connection: Deno.UnixConn,
  { asked, answer }: { asked: Action[]; answer: Answer },
): Promise<void> {
  using conn = connection;
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  for (;;) {
    const [head, body] = text.split("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(head!)?.[1] ?? 0);
    if (body === undefined || body.length < length) {
      const count = await conn.read(buffer);
      if (count === null) return;
      text += decoder.decode(buffer.subarray(0, count));
      continue;
    }
    text = body.slice(length);
    const action: Action = length === 0 ? { ids: [] } : JSON.parse(body.slice(0, length));
    asked.push(action);
    const reply = answer(action);
    if (reply === undefined) return;
    const json = JSON.stringify(reply.body);
    await conn.write(new TextEncoder().encode(
      `HTTP/1.1 ${reply.status} x\r\ncontent-type: application/json\r\n` +
        `content-length: ${json.length}\r\n\r\n${json}`,
    ));
  }
}

function refused(details: Record<string, unknown>) {
  const message = "no room for all of it: so many were retried, the others are as they were";
  return {
    status: 507,
    body: { error: { code: "store/disk-full", message, hint: "make room", details } },
  };
}

Deno.test("dlq retry names what was not sent, as a command, when the daemon refuses midway", async () => {
  const details = { done: 2, count: 5, left: ["c", "o'17"] };
  const answer = () => refused(details);
  const args = ["a", "b", "c", "o'17", "--topic", "t", "--to", "other"];
  const { code, stderr } = await retry(args, answer);
  assert.equal(code, 7);
  assert.equal(
    stderr,
    "evs: no room for all of it; sent again: 2 dead letters; not sent: 3 dead letters\n" +
      "  try: evs dlq retry c 'o'\\''17' --topic t --to other\n",
  );
  const json = await retry([...args, "--json"], answer);
  const { error } = JSON.parse(json.stderr);
  assert.deepEqual([error.code, error.details.left], ["store/disk-full", ["c", "o'17"]]);
  // A command that would be cut off is not shown.
  const many = Array.from({ length: 500 }, (_, n) => `${n}-${"x".repeat(20)}`);
  const long = await retry(many, () => refused({ done: 2, count: 500, left: many.slice(2) }));
  assert.match(
    long.stderr,
    /not sent: 498 dead letters\n {2}try: evs dlq retry with the ids .*--json/,
  );
});

Deno.test("dlq retry does not wait for a job that waits for room, and says that it goes on by itself", async () => {
  const job = { job: "retry-7", action: "retry", state: "running", total: 5, done: 2, gone: 0 };
  const waiting = { ...job, failed: [], left: 3, bySubscription: { s: 2 }, startedAt: 1 };
  const full = { ...waiting, waiting: "the disk is full" };
  const { code, stderr } = await retry(["--all"], ({ action }) => ({
    status: action === undefined ? 200 : 201,
    body: action === undefined ? full : waiting,
  }));
  assert.equal(code, 7);
  assert.equal(
    stderr,
    "evs: no room for all of it; sent again: 2 dead letters; not sent: 3 dead letters\n" +
      "  try: the job goes on by itself once it can: evs dlq jobs show retry-7, " +
      "evs dlq jobs cancel retry-7\n",
  );
});

Deno.test("dlq retry ends with 6 and says which a job could not do", async () => {
  const failed = [{ reason: "the subscription b is gone", count: 2 }];
  const job = { job: "retry-7", action: "retry", state: "done", total: 5, done: 3, gone: 0 };
  const over = { ...job, failed, left: 0, bySubscription: { s: 3 }, startedAt: 1, endedAt: 2 };
  const { code, stdout } = await retry(["--all"], () => ({ status: 201, body: over }));
  const { count, failed: told, state } = JSON.parse(stdout);
  assert.deepEqual([code, count, told, state], [6, 3, failed, "done"]);
});
