/** A history whose writer is killed at any moment has all of its rows, and none that is damaged. */
import assert from "node:assert/strict";
import { verifyHistory } from "../../../core/history/verify.ts";
import { dose } from "../../helpers/dose.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { testFolder } from "../../helpers/folder.ts";
import { countsIn, historyAt } from "../../helpers/history_rows.ts";

const KILLS = dose(10, 200);
/** Rows before a kill, at most, and how many of the last ones are looked at: by minutes. */
const MOST_ROWS = 60;

/** Adds rows from minute `first` on, and kills the writer after some; returns the next minute. */
async function killWriting(path: string, first: number, rows: number): Promise<number> {
  const script = new URL("../../helpers/history_rows.ts", import.meta.url).pathname;
  const writer = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-lock",
      "--allow-read",
      "--allow-write",
      script,
      path,
      `${first}`,
    ],
    stdout: "piped",
  }).spawn();
  let text = "";
  let isKilled = false;
  for await (const chunk of writer.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    // What it had written before may still come.
    if (isKilled || text.split("\n").length <= rows) continue;
    isKilled = true;
    writer.kill("SIGKILL");
  }
  await writer.status;
  const last = text.split("\n").at(-2);
  assert.ok(last !== undefined, "the writer has written something");
  return Number(last) + 1;
}

Deno.test(`HistoryFile has every row through ${KILLS} kills of its writer, each once`, async () => {
  const folder = await testFolder("test");
  try {
    const path = `${folder}/history`;
    const random = randomFrom(KILLS);
    let next = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const first = next;
      next = await killWriting(path, first, 1 + random(MOST_ROWS));
      assert.equal(verifyHistory(path)!.damaged, 0);
      const { file, damage } = historyAt(path);
      for (const kind of [undefined, "topics", "subscriptions"] as const) {
        const name = kind === "topics" ? "t" : "stays";
        // The row that was being written may be there, too.
        const counts = countsIn(file, { minutes: next + 1, kind, name }).slice(0, next);
        const since = Math.max(first, next - MOST_ROWS);
        assert.deepEqual(counts.slice(since), new Array(next - since).fill(1), `kill ${kill}`);
      }
      assert.deepEqual(damage, []);
      next += 1; // it would be counted twice
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
