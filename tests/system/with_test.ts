/** `evs with`, repeatedly: it never fails, and leaves no process, socket or file behind. */
import assert from "node:assert/strict";
import { dose } from "../helpers/dose.ts";
import { Place } from "../helpers/shell.ts";

const RUNS = dose(20);

/** Every file, folder and socket below a folder. */
function* everything(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    yield `${folder}/${name}`;
    if (isDirectory) yield* everything(`${folder}/${name}`);
  }
}

function* left(place: Place): Generator<string> {
  for (const name of ["home", "tmp", "run", "work"]) {
    yield* everything(`${place.folder}/${name}`);
  }
}

Deno.test(`evs with never fails in ${RUNS} runs in a row, and leaves nothing behind`, async () => {
  await using place = await Place.make();
  for (let run = 1; run <= RUNS; run++) {
    const ended = await place.sh(
      "evs with -- sh -c 'evs publish t x 1 && evs expect t --count 1 --timeout 60s'",
    );
    assert.equal(ended.code, 0, `run ${run}: ${ended.stdout}\n${ended.stderr}`);
    assert.deepEqual(place.processes(), [], `run ${run}`);
    assert.deepEqual([...left(place)], [], `run ${run}`);
  }
});

Deno.test("evs with leaves nothing behind when its command fails", async () => {
  await using place = await Place.make();
  const ended = await place.sh(
    "evs with -- sh -c 'evs publish t x 1 && evs expect t --count 2 --timeout 6s'",
  );
  assert.equal(ended.code, 1, ended.stderr);
  assert.match(ended.stderr, /saw 1 of 2 events/);
  assert.deepEqual(place.processes(), []);
  assert.deepEqual([...left(place)], []);
});
