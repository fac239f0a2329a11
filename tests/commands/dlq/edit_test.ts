/**
 * `evs dlq edit`, `export` and `import`: failed events are fixed by hand or in a pipe, and
 * redelivered.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { compact, forEditing, reasonLines, withoutReason } from "../../../commands/dlq/edit.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { evs } from "../../helpers/evs.ts";

const NUMBERS_ONLY = `grep -q '"total":[0-9]' || { echo "total is no number" >&2; exit 65; }`;

type At = Awaited<ReturnType<typeof startDaemon>>;

function consume(at: At) {
  const handler = ["sh", "-c", NUMBERS_ONLY];
  return evs(["consume", "t", "--name", "s", "--until-empty", "--", ...handler], { at });
}

async function list(at: At): Promise<Record<string, unknown>[]> {
  const { stdout } = await evs(["dlq", "list"], { at });
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Delivers all that is pending: what `judge` finds a fault in fails with it, the rest is done. */
async function settleAll(
  at: At,
  judge: (payload: { total: unknown }) => string | undefined,
): Promise<void> {
  for (;;) {
    const leased = await at.http("POST", "/v1/subscriptions/s/lease", { max: 500 });
    assert.equal(leased.status, 200, leased.text);
    const deliveries: { lease: string; event: { payload: { total: unknown } } }[] =
      leased.json.deliveries;
    if (deliveries.length === 0) return;
    const leases: string[] = [];
    const failed: { lease: string; error: string }[] = [];
    for (const { lease, event } of deliveries) {
      const error = judge(event.payload);
      if (error === undefined) leases.push(lease);
      else failed.push({ lease, error });
    }
    if (leases.length > 0) await at.http("POST", "/v1/subscriptions/s/ack", { leases });
    if (failed.length > 0) {
      const { status, text } = await at.http("POST", "/v1/subscriptions/s/nack", {
        deliveries: failed,
      });
      assert.equal(status, 200, text);
    }
  }
}

Deno.test("dlq edit fixes one event, which is delivered as a copy, and takes the dead letter along", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", { total: "2" });
  assert.equal((await consume(at)).code, 6);
  const [entry] = await list(at);
  const edit = (script: string) =>
    evs(["dlq", "edit", `${entry!.id}`], { at, env: { EDITOR: `sed -i '${script}'` } });
  const edited = await edit('s/"2"/2/');
  assert.equal(edited.code, 0, edited.stderr);
  assert.deepEqual(JSON.parse(edited.stdout), { mended: `s:${entry!.id}` });
  const again = await edit('s/"2"/3/');
  assert.equal(again.code, 4);
  assert.match(again.stderr, /on its way already; nothing was sent, your text is in .*\.json/);
  await Deno.remove(/your text is in (\S+\.json)/.exec(again.stderr)![1]!);
  assert.equal((await consume(at)).code, 0);
  assert.deepEqual(await list(at), []);
});

Deno.test("dlq edit sends nothing when nothing was changed, the text is wrong, or there is no editor", async () => {
  await using at = await startDaemon();
  const schema = `{"type":"object","properties":{"total":{"type":["string","number"]}}}`;
  await evs(["schema", "register", "x", "-"], { at, stdin: schema });
  await at.publish("t", "x", { total: "2" });
  await consume(at);
  const [entry] = await list(at);
  const edit = (editor: string) =>
    evs(["dlq", "edit", `${entry!.id}`], { at, env: { EDITOR: editor, VISUAL: "" } });
  const cases: [editor: string, code: number, said: RegExp][] = [
    ["true", 1, /nothing was changed; nothing was sent/],
    ["truncate -s 0", 1, /nothing was changed; nothing was sent/],
    ["false", 2, /the editor \(false\) ended with exit code 1; nothing was sent/],
    ["", 2, /no editor is named by \$VISUAL or \$EDITOR/],
    [
      `sed -i 's/"2"/tw/'`,
      4,
      /not valid JSON: .* at line 2, column \d+; nothing was sent, your text is in/,
    ],
    [
      `sed -i 's/"2"/[]/'`,
      4,
      /\/total must be a string or a number, is an array; nothing was sent/,
    ],
  ];
  for (const [editor, code, said] of cases) {
    const result = await edit(editor);
    assert.equal(result.code, code, `${editor}: ${result.stderr}`);
    assert.match(result.stderr, said);
    const kept = /your text is in (\S+\.json)/.exec(result.stderr)?.[1];
    if (kept !== undefined) {
      assert.match(await Deno.readTextFile(kept), /total/);
      await Deno.remove(kept);
    }
  }
  assert.deepEqual(await list(at), [entry]);
});

Deno.test("dlq export and import fix a thousand in one pipe, and what fails again has old and new attempts", async () => {
  await using at = await startDaemon();
  const lines = Array.from({ length: 1000 }, (_, i) => `{"total":"${i}"}\n`).join("");
  await evs(["publish", "t", "x", "--ndjson"], { at, stdin: lines });
  // Over HTTP: a thousand handlers would be a thousand processes.
  const made = await at.http("PUT", "/v1/subscriptions/s", {
    topic: "t",
    settings: { maxRetries: 0 },
  });
  assert.equal(made.status, 201, made.text);
  await settleAll(at, () => "bad total");
  const exported = await evs(["dlq", "export"], { at });
  const whole = exported.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(whole.length, 1000);
  const mended = whole.map((entry) => {
    const total = Number(entry.event.payload.total);
    entry.event.payload.total = total < 5 ? "still wrong" : total;
    return JSON.stringify(entry);
  });
  const imported = await evs(["dlq", "import", "--retry"], {
    at,
    stdin: ["no JSON", ...mended].join("\n"),
  });
  assert.equal(imported.code, 6, imported.stderr);
  assert.match(imported.stderr, /^evs: line 1: not valid JSON/);
  assert.deepEqual(JSON.parse(imported.stdout), {
    count: 1000,
    mended: 1000,
    unchanged: 0,
    added: 0,
    present: 0,
    refused: 1,
  });
  await settleAll(at, ({ total }) => typeof total === "string" ? "worse" : undefined);
  const left = await list(at);
  const copies = left.filter(({ editedFrom }) => editedFrom !== undefined);
  assert.deepEqual([left.length, copies.length], [10, 5]);
  for (const { attempts } of copies) assert.equal(attempts, 2);
});

Deno.test("dlq import refuses what is no dead letter, and takes back what was removed", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", { total: "2" });
  await consume(at);
  const { stdout } = await evs(["dlq", "export"], { at });
  await evs(["dlq", "purge", "--yes"], { at });
  assert.deepEqual(await list(at), []);
  for (
    const line of [
      "{}",
      "[]",
      "1",
      stdout.replace('"topic":"t"', '"topic":"../x"'),
      stdout.replace('"attempts":[', '"attempts":[7,'),
    ]
  ) {
    const { code, stderr } = await evs(["dlq", "import"], { at, stdin: line });
    assert.equal(code, 4, line);
    assert.match(stderr, /^evs: line 1: /);
  }
  const back = await evs(["dlq", "import"], { at, stdin: stdout });
  assert.equal(JSON.parse(back.stdout).added, 1);
  assert.equal((await evs(["dlq", "export"], { at })).stdout, stdout);
  const gone = await evs(["dlq", "import", "--retry"], {
    at,
    stdin: stdout.replace('"subscription":"s"', '"subscription":"gone"'),
  });
  assert.equal(gone.code, 3);
  assert.match(gone.stderr, /gone; nothing was imported\n {2}try: add --to NAME/);
});

Deno.test("compact and forEditing change nothing of a value but its spaces", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.nat(4), (value, spaces) => {
    const plain = JSON.stringify(value);
    assert.equal(compact(JSON.stringify(value, null, spaces)), plain);
    assert.equal(compact(forEditing(plain)), plain);
  }));
  const exact = `{"n":9007199254740993,"d":1.0,"a":1,"a":2}`;
  assert.equal(forEditing(exact), `${exact}\n`);
});

Deno.test("withoutReason takes off what reasonLines put on top, and no more", () => {
  fc.assert(fc.property(fc.string(), fc.jsonValue(), (reason, value) => {
    const payload = JSON.stringify(value, null, 2);
    assert.equal(withoutReason(reasonLines(reason) + payload), payload);
  }));
});
