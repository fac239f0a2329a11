/** FileDeadLetterQueue keeps what it has confirmed: through kills, a failed sync, a full disk. */
import assert from "node:assert/strict";
import { FileDeadLetterQueue } from "../../mod.ts";
import { splitLines } from "../../core/client/connection.ts";
import { dose } from "../helpers/dose.ts";
import { needTools } from "../helpers/shell.ts";
import { SyncTrace } from "../helpers/sync_trace.ts";

const writer = new URL("../helpers/dead_letter_writer.ts", import.meta.url).pathname;
const decoder = new TextDecoder();
const CALLS = "trace=write,writev,pwrite64,pwritev,fsync,fdatasync";

interface Said {
  firstSeq?: number;
  refused?: number;
  code?: string;
}

/** Starts the writer under `wrapper`. */
function start(wrapper: string[], ...args: (string | number)[]): Deno.ChildProcess {
  const command = [
    ...wrapper,
    Deno.execPath(),
    "run",
    "--quiet",
    "-A",
    writer,
    ...args.map(String),
  ];
  return new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

/** Everything that a writer says until it ends. */
async function said(child: Deno.ChildProcess, each: (one: Said) => void = () => {}) {
  const all: Said[] = [];
  for await (const line of splitLines(child.stdout)) {
    all.push(JSON.parse(decoder.decode(line)));
    each(all.at(-1)!);
  }
  await child.status;
  return all;
}

async function kept(dir: string): Promise<number[]> {
  await using queue = new FileDeadLetterQueue(dir, { onError: () => {} });
  const entries = await queue.getEvents();
  return entries.map(({ event }) => Number(event.id.slice(1))).sort((a, b) => a - b);
}

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "evs-dlq-" });
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("FileDeadLetterQueue says that it keeps an event only when it is synced", async () => {
  needTools("strace");
  await inFolder(async (dir) => {
    const file = `${dir}/trace`;
    const all = await said(
      start(["strace", "-f", "-y", "-s", "4096", "-o", file, "-e", CALLS], `${dir}/q`, 0, 100),
    );
    assert.equal(all.length, 100);
    const trace = new SyncTrace(`${dir}/q/dead_letters.ndjson`, (seq) => seq);
    const input = await Deno.open(file);
    for await (const line of splitLines(input.readable)) trace.line(decoder.decode(line));
    assert.deepEqual(trace.audit.inversions, []);
    // The first is number 0, which stands for nothing stored.
    assert.equal(trace.audit.acknowledged, 99);
    assert.ok(trace.audit.folderSyncs > 0, "a new file's folder is synced too");
  });
});

Deno.test(`FileDeadLetterQueue loses nothing through ${dose(10)} kills`, async () => {
  await inFolder(async (dir) => {
    const told = new Set<number>();
    let next = 0;
    for (let kill = 0; kill < dose(10); kill++) {
      const child = start([], dir, next, 100_000);
      const after = next + 3 + (kill * 7) % 40;
      let killed = false;
      await said(child, ({ firstSeq }) => {
        if (firstSeq === undefined) return;
        told.add(firstSeq);
        if (killed || firstSeq < after) return;
        killed = true;
        child.kill("SIGKILL");
      });
      const there = await kept(dir);
      for (const n of told) assert.ok(there.includes(n), `${n} was lost`);
      // One may have been kept whose answer did not get out any more.
      assert.ok(there.length <= told.size + kill + 1, "one was invented");
      next = there.at(-1)! + 1;
    }
  });
});

Deno.test("FileDeadLetterQueue keeps nothing more after a sync that failed", async () => {
  needTools("strace");
  await inFolder(async (dir) => {
    // The queue is made first, so that the faults meet its appends and not its making.
    await said(start([], dir, 0, 1));
    // strace counts per thread, and the runtime syncs in several: of a hundred syncs one is some
    // thread's second.
    const fault = "inject=fdatasync:error=EIO:when=2+";
    const all = await said(start(["strace", "-f", "-o", "/dev/null", "-e", fault], dir, 1, 100));
    const at = all.findIndex(({ refused }) => refused !== undefined);
    assert.ok(at >= 0, "no sync failed");
    assert.ok(all.slice(at).every(({ code }) => code === "internal/bug"), JSON.stringify(all));
    const there = await kept(dir);
    for (const { firstSeq } of all.slice(0, at)) assert.ok(there.includes(firstSeq!));
  });
});

Deno.test("FileDeadLetterQueue goes on by itself when the disk was full, with no torn line between", async () => {
  needTools("strace");
  await inFolder(async (dir) => {
    await said(start([], dir, 0, 1));
    const file = `${dir}/dead_letters.ndjson`;
    const fault = ["-P", file, "-e", "inject=write,pwrite64:error=ENOSPC:when=4..6"];
    const all = await said(start(["strace", "-f", "-o", "/dev/null", ...fault], dir, 1, 20));
    const refused = all.filter(({ code }) => code !== undefined);
    assert.deepEqual(refused.map(({ code }) => code), Array(3).fill("store/unavailable"));
    assert.equal(all.at(-1)!.firstSeq, 20);
    const there = await kept(dir);
    assert.deepEqual(there, [0, ...all.flatMap(({ firstSeq }) => firstSeq ?? [])]);
    const { told } = await reopened(dir);
    assert.deepEqual(told, []);
  });
});

/** What opening the queue has to say. */
async function reopened(dir: string): Promise<{ told: unknown[] }> {
  const told: unknown[] = [];
  await using queue = new FileDeadLetterQueue(dir, { onError: (error) => told.push(error) });
  await queue.getEvents();
  return { told };
}
