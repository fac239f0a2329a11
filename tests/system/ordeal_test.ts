/**
 * Consumers under stress: handlers that fail, refuse and hang, keys whose order matters, and `kill
 * -9` of the consumer and the daemon in turn. In the end every event is done or dead, never both;
 * attempts were never reset; and no event overtook another with the same key.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { newDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs, RunningEvs } from "../helpers/evs.ts";

const EVENTS = dose(1000);
const KILLS = dose(10);
const KEYS = 40;
const MAX_RETRIES = 4;

/**
 * One in 50 is refused for good, one in 500 hangs once, a third of the other attempts fails, drawn
 * from the event and the attempt. What begins and what ends well is noted, each in one write.
 */
const HANDLER = `
s=$EVS_SEQ a=$EVS_ATTEMPT
echo "begin $EVS_KEY $s $a" >>"$NOTES"
[ $((s % 50)) -eq 7 ] && exit 65
[ $((s % 500)) -eq 13 ] && [ "$a" -eq 1 ] && sleep 5
[ $((((s * 40503 + a * 2654435761) >> 7) % 3)) -eq 0 ] && exit 1
echo "done $EVS_KEY $s $a" >>"$NOTES"
`;

const CONSUME = [
  ...["consume", "work", "--name", "ordeal", "--concurrency", "8", "--timeout", "2s"],
  ...["--max-retries", String(MAX_RETRIES), "--backoff", "fixed:5ms"],
];
const COMMAND = ["--", "sh", "-c", HANDLER];

interface Note {
  what: string;
  key: string;
  seq: number;
  attempt: number;
}

async function notesOf(file: string): Promise<Note[]> {
  return (await Deno.readTextFile(file)).split("\n").filter(Boolean).map((line) => {
    const [what, key, seq, attempt] = line.split(" ");
    return { what: what!, key: key!, seq: Number(seq), attempt: Number(attempt) };
  });
}

/** Waits until `bytes` more were noted, or the consumer has ended. */
async function untilNoted(file: string, bytes: number): Promise<void> {
  const size = async () => (await Deno.stat(file)).size;
  const goal = await size() + bytes;
  using watcher = Deno.watchFs(file);
  if (await size() >= goal) return;
  for await (const _change of watcher) if (await size() >= goal) return;
}

Deno.test(`consume leaves every event done or dead, in key order, through ${KILLS} kills`, async () => {
  await using daemon = await newDaemon();
  await daemon.start();
  const lines = Array.from({ length: EVENTS }, (_, i) => `{"k":"k${i % KEYS}","n":${i + 1}}\n`);
  const published = await evs(
    ["publish", "work", "job", "--ndjson", "--key-pointer", "/k"],
    { at: daemon, stdin: lines.join("") },
  );
  assert.equal(published.code, 0, published.stderr);

  const file = `${daemon.folder}/notes`;
  await Deno.writeTextFile(file, "");
  const options = { at: daemon, env: { NOTES: file } };
  const ending: Promise<unknown>[] = [];
  let consumer = new RunningEvs([...CONSUME, ...COMMAND], options);
  // About two notes of 14 bytes an event: the kills are spread over four fifths of the work.
  const perKill = Math.floor(EVENTS * 2 * 14 * 0.8 / KILLS);
  for (let kill = 0; kill < KILLS; kill++) {
    await untilNoted(file, 1 + Math.floor(Math.random() * perKill));
    if (kill % 2 === 0) {
      consumer.child.kill("SIGKILL");
      // Its handlers may keep running for a while, and hold its streams open.
      ending.push(consumer.end());
      await consumer.ended;
      consumer = new RunningEvs([...CONSUME, ...COMMAND], options);
    } else {
      await daemon.kill();
      await daemon.start();
    }
  }
  consumer.child.kill("SIGTERM");
  await consumer.end();
  const rest = await evs([...CONSUME, "--until-empty", ...COMMAND], options);
  assert.ok(rest.code === 0 || rest.code === 6, rest.stderr);
  await Promise.all(ending);

  using client = new Client({ socket: daemon.socket });
  const info = await client.subscription("ordeal");
  assert.deepEqual([info.pending, info.leased, info.scheduled], [0, 0, 0]);
  const exported = await evs(["dlq", "export", "--subscription", "ordeal"], { at: daemon });
  const dead = new Map<number, { attempt: number; exitCode?: number }[]>(
    exported.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line))
      .map(({ event, attempts }) => [event.seq, attempts]),
  );
  assert.equal(dead.size, info.dead);

  const notes = await notesOf(file);
  const done = new Set(notes.filter(({ what }) => what === "done").map(({ seq }) => seq));
  for (let seq = 1; seq <= EVENTS; seq++) {
    assert.ok(done.has(seq) !== dead.has(seq), `seq ${seq} is in exactly one of done and dead`);
  }
  for (const [seq, attempts] of dead) {
    assert.deepEqual(attempts.map(({ attempt }) => attempt), attempts.map((_, i) => i + 1));
    const refused = attempts.at(-1)!.exitCode === 65;
    assert.equal(refused, seq % 50 === 7);
    if (!refused) assert.equal(attempts.length, MAX_RETRIES + 1);
  }
  assertInOrder(notes);
});

/**
 * A handler that outlived its consumer may note its begin late; the same attempt was noted by
 * another, then.
 */
function assertInOrder(notes: readonly Note[]): void {
  const begun = new Map<string, Set<string>>();
  const last = new Map<string, { seq: number; attempt: number }>();
  for (const { what, key, seq, attempt } of notes) {
    if (what !== "begin") continue;
    const seen = begun.get(key) ?? new Set();
    begun.set(key, seen);
    if (seen.has(`${seq} ${attempt}`)) continue;
    seen.add(`${seq} ${attempt}`);
    const before = last.get(key) ?? { seq: 0, attempt: 0 };
    const follows = seq > before.seq ? attempt === 1 : seq === before.seq &&
      attempt === before.attempt + 1;
    assert.ok(
      follows,
      `${key}: seq ${seq}, attempt ${attempt} began after seq ${before.seq}, attempt ${before.attempt}`,
    );
    last.set(key, { seq, attempt });
  }
}
