/**
 * An upgrade in place: the daemon goes on when the files of its program are replaced or removed
 * while it runs, and `evs daemon restart` hands over to what is installed by then.
 */
import assert from "node:assert/strict";
import { until } from "../helpers/evs.ts";
import { ProgramCopy } from "../helpers/program_copy.ts";
import { Place } from "../helpers/shell.ts";

/** How many of a daemon's threads there are besides the main one. */
function threadsOf(pid: number): number {
  const names = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/task/${name}/comm`);
    } catch {
      return ""; // the thread has ended meanwhile
    }
  });
  return names.filter((name) => name.startsWith("worker-")).length;
}

const CHANGES = {
  "are removed": (program: ProgramCopy) => program.remove(),
  "are replaced by others": (program: ProgramCopy) => program.spoil(),
};

/** Uses everything that a daemon loads late. */
const ALL_OF_IT = `
evs publish t n 2
evs publish another n 1
echo '{"type":"number"}' | evs schema register n - --version 1.0
evs publish t n 3
if evs publish t n '"no number"'; then exit 9; fi
echo '{"type":"integer"}' | evs schema diff n - || test $? = 1
evs schema asyncapi
test "$(evs replay t --where 'payload > 1' | wc -l)" = 2
evs topic create files --store file
evs publish files n 1
evs topic create short --max-events 1
evs consume t --name c --until-empty --max-retries 0 -- sh -c 'test "$(cat)" != 2' || test $? = 6
evs dlq retry --all
`;

/** Longer than any thread waits for work, ms: it ended before it was counted. */
const SURELY_RESTED = 60_000;

/** Waits until the daemon has fewer threads than it had. */
async function rested(pid: number, before: number): Promise<void> {
  const began = performance.now();
  await until(() => threadsOf(pid) < before || performance.now() - began > SURELY_RESTED);
}

for (const [how, change] of Object.entries(CHANGES)) {
  Deno.test(`a daemon goes on after a rest when the files of its program ${how} meanwhile`, async () => {
    await using place = await Place.make();
    const program = await ProgramCopy.make(`${place.folder}/program`);
    await place.run(`${program.evs} daemon start 2>/dev/null && evs publish t n 1`);
    const { pid } = JSON.parse(await place.run("evs status"));
    const before = threadsOf(pid);
    await rested(pid, before);
    await change(program);
    await place.run(ALL_OF_IT);
    const status = JSON.parse(await place.run("evs status"));
    assert.deepEqual([status.pid, status.health, status.events], [pid, "ok", 5]);
    // The second rest, and the second thread after it. There is one for files by now.
    const busy = threadsOf(pid);
    await rested(pid, busy);
    await place.run("evs topic create one-more && evs daemon stop 2>/dev/null");
    const log = await place.run("cat ~/.local/share/evs/log/daemon.log");
    assert.doesNotMatch(log, /"level":"(?:warning|error)"/);
  });
}

Deno.test("evs daemon restart hands over to the installed version, nothing lost, when clients are busy", async () => {
  await using place = await Place.make();
  const program = await ProgramCopy.make(`${place.folder}/program`);
  await place.run(`${program.evs} daemon start 2>/dev/null && evs topic create t`);
  const versions = async () => {
    const { version, installed } = JSON.parse(await place.run(`${program.evs} status`));
    return [version, installed];
  };
  const [old] = await versions();
  assert.deepEqual(await versions(), [old, old]);
  const consuming = place.sh(
    `evs consume t --name c -- cat >seen 2>consumed & consumer=$!
until test "$(sort -u seen | wc -l)" = 60; do sleep 0.1; done
kill $consumer; wait $consumer`,
  );
  const publishing = place.sh(`for one in 1 2; do
  ( for n in $(seq 20); do evs publish t n "$one$n" >/dev/null || echo "failed with $?"; done ) &
done
for n in $(seq 20); do echo "3$n"; sleep 0.1; done | evs publish t n --ndjson >/dev/null
wait`);
  const events = async () => JSON.parse(await place.run("evs status --wait 1m")).events as number;
  await until(async () => await events() > 5);
  await program.upgrade("99.1.0");
  assert.deepEqual(await versions(), [old, "99.1.0"]);
  const said = JSON.parse(await place.run(`${program.evs} daemon restart 2>/dev/null`));
  assert.equal(said.restarted, true);
  assert.deepEqual(await versions(), ["99.1.0", "99.1.0"]);
  const { stdout, stderr } = await publishing;
  assert.deepEqual([stdout, stderr], ["", ""]);
  assert.equal(await events(), 60);
  assert.equal((await consuming).code, 0);
  const expected = ["1", "2", "3"].flatMap((one) =>
    Array.from({ length: 20 }, (_, n) => `${one}${n + 1}`)
  );
  // An event that was being handled during the restart may come twice.
  const seen = (await place.run("sort -u seen")).trim().split("\n");
  assert.deepEqual(seen.sort(), expected.sort());
  await place.run("evs daemon stop 2>/dev/null");
});
