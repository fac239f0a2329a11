/** `evs dlq retry` that ends midway: what was sent, what was not, and what to type for the rest. */
import assert from "node:assert/strict";
import { evs } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";

interface Action {
  ids: string[];
  dryRun?: boolean;
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

function done(count: number) {
  return { status: 200, body: { count, dryRun: false, bySubscription: { s: count } } };
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
  const filtered = await retry(["--all"], () => refused({ done: 2, count: 5 }));
  assert.match(filtered.stderr, /sent again: 2 .* not sent: 3 .*\n {2}try: the same again/);
});

Deno.test("dlq retry --rate sends none when one of the ids is no dead letter", async () => {
  const { code, asked, stderr } = await retry(["a", "b", "--rate", "100/s"], ({ dryRun }) => {
    assert.ok(dryRun);
    const error = { code: "dead-letter/not-found", message: "there is no dead letter b" };
    return { status: 404, body: { error: { ...error, details: { ids: ["b"] } } } };
  });
  assert.equal(code, 1);
  assert.match(stderr, /there is no dead letter b/);
  assert.equal(asked.length, 1);
});

Deno.test("dlq retry --rate says what was sent, what was not, and what is unknown when it ends midway", async () => {
  const ids = Array.from({ length: 6 }, (_, n) => `id-${n}`);
  const rate = ["--rate", "20/s"]; // two at a time
  /** Answers what was asked for, until `last` says otherwise. */
  const until = (nth: number, last: Answer): Answer => {
    let chunk = 0;
    return (action) =>
      action.dryRun ? done(6) : ++chunk < nth ? done(action.ids.length) : last(action);
  };
  const partly = until(2, ({ ids }) => refused({ done: 1, count: 2, left: ids.slice(1) }));
  const midway = await retry([...ids, ...rate], partly);
  assert.equal(midway.code, 7);
  assert.equal(
    midway.stderr,
    "evs: no room for all of it; sent again: 3 dead letters; not sent: 3 ids\n" +
      "  try: evs dlq retry id-3 id-4 id-5 --rate 20/s\n",
  );
  const lost = await retry([...ids, ...rate], until(3, () => undefined));
  assert.equal(lost.code, 5, lost.stderr);
  assert.match(lost.stderr, /; sent again: 4 dead letters; unknown: 2 ids; not sent: 0 ids\n/);
  assert.match(lost.stderr, /try: evs dlq list shows whether those are still there\n/);
  const earlier = await retry([...ids, ...rate], until(2, () => undefined));
  assert.match(
    earlier.stderr,
    /2 dead letters; unknown: 2 ids; not sent: 2 ids\n.*; then evs dlq retry id-4 id-5 --rate 20\/s\n/,
  );
  // Removed by somebody since they were found: the others are sent.
  const gone = await retry([...ids, ...rate], ({ ids, dryRun }) => {
    if (dryRun || !ids.includes("id-2")) return done(ids.length);
    const error = { code: "dead-letter/not-found", message: "there is none" };
    return { status: 404, body: { error: { ...error, details: { ids: ["id-2"] } } } };
  });
  assert.equal(gone.code, 0, gone.stderr);
  assert.equal(JSON.parse(gone.stdout).count, 5);
});
