/**
 * The three stores as each other's oracle: one stream of commands for the memory, the SQLite and the
 * file store, through ordered ends, kills and power cuts between two commands. Every answer, every
 * refusal and all that is stored are the same. What is declared to be different is in answers.ts
 * (where a page ends because of its bytes) and in world.ts (how exactly the age of events is known),
 * each with its bounds.
 */
import fc from "../../packages/fast_check.ts";
import { systemClock } from "../../../core/base/clock.ts";
import { dose } from "../../helpers/dose.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { inFolder } from "../../helpers/start.ts";
import { type Command, streams } from "./commands.ts";
import { inFiles, inMemory, inSqlite, inThreads, type Subject } from "./subjects.ts";
import { World, type WorldClock } from "./world.ts";

const FILE = "tests/world/stores/same_answers_test.ts";

async function runAll(
  clock: WorldClock,
  subjects: readonly Subject[],
  commands: readonly Command[],
): Promise<void> {
  const world = new World(clock, subjects);
  try {
    for (const command of commands) await world.take(command);
    await world.take({ do: "reopen" });
    await world.compareAll();
  } finally {
    for (const subject of subjects) await subject.close();
  }
}

Deno.test("the stores in threads answer alike, too", () =>
  inFolder(async (folder) => {
    let run = 0;
    await assertSeeded(
      fc.asyncProperty(streams({ length: 30, large: false }), async (commands) => {
        const own = `${folder}/${++run}`;
        await Deno.mkdir(own);
        const subjects = [inMemory(systemClock), ...await Promise.all(inThreads(own))];
        await runAll({ now: frozen(), monotonic: () => 0 }, subjects, commands);
        await Deno.remove(own, { recursive: true });
      }),
      { numRuns: dose(5), file: FILE },
    );
  }));

/** The time at which a stream begins: its events do not depend on how long it takes. */
function frozen(): () => number {
  const now = systemClock.now();
  return () => now;
}

for (const large of [false, true]) {
  const of = large ? "events as large as a page" : "small events";
  Deno.test(`the three stores answer alike whatever they are asked, with ${of}`, () =>
    inFolder(async (folder) => {
      let run = 0;
      await assertSeeded(
        fc.asyncProperty(
          fc.nat(1_000_000),
          fc.constantFrom(0, 100),
          streams({ length: large ? 15 : 40, large }),
          async (seed, lookAtMost, commands) => {
            const own = `${folder}/${++run}`;
            await Deno.mkdir(own);
            const clock = new FakeClock();
            const subjects = [
              inMemory(clock),
              await inSqlite(clock, own),
              inFiles(clock, { seed, lookAtMost }),
            ];
            await runAll(clock, subjects, commands);
            await Deno.remove(own, { recursive: true });
          },
        ),
        { numRuns: dose(large ? 30 : 100), file: FILE },
      );
    }));
}
