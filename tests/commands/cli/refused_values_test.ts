/**
 * What a duration, a time, an offset, a rate or a size cannot be: the error names the flag and the
 * value, and says what is right. Over every flag of every command, from their definitions.
 */
import assert from "node:assert/strict";
import { isGroup } from "../../../commands/cli/help_page.ts";
import type { CommandRoute } from "../../../commands/cli/define.ts";
import { verbs } from "../../../commands/mod.ts";
import { evs } from "../../helpers/evs.ts";
import { inFolder } from "../../helpers/start.ts";

/** In the placeholder of a flag whose value is written in units, and how that is said. */
const KINDS: [placeholder: RegExp, right: RegExp][] = [
  [/DURATION$/, /a number with a unit, such as|interval:DURATION/],
  [/^TIME$/, /such as (2031-|@-24h or @20)/],
  [/^OFFSET$/, /an offset is start, end, a seq, -N/],
  [/^(SIZE|BYTES|ROOM)$/, /such as 1000, 64MiB|a whole number is needed/],
  [/^N\/s$|RATE/, /such as 10\/s/],
  [/BACKOFF|KIND:/, /KIND:BASE/],
];

interface Taken {
  /** As typed. */
  command: string[];
  /** With its dashes, or the place of an argument. */
  name: string;
  right: RegExp;
}

function* flagsOf(route: CommandRoute, path: string[]): Generator<Taken> {
  if (isGroup(route)) {
    for (const { name, target } of route.getAllEntries()) {
      yield* flagsOf(target, [...path, name["convert-camel-to-kebab"]]);
    }
    return;
  }
  for (const [name, flag] of Object.entries(route.parameters.flags ?? {})) {
    if (flag.kind !== "parsed") continue;
    const right = KINDS.find(([placeholder]) => placeholder.test(flag.placeholder ?? ""))?.[1];
    const typed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (right) yield { command: path, name: `--${typed}`, right };
  }
}

Deno.test("a command names the flag, the value and what is right when a duration, time, offset, rate or size is none", () =>
  inFolder(async (folder) => {
    const taken: Taken[] = [];
    for (const [verb, { load }] of verbs) taken.push(...flagsOf((await load()).route, [verb]));
    const env = { EVS_DATA_DIR: `${folder}/data`, EVS_SOCKET: `${folder}/evs.sock` };
    for (const name of ["--at", "--delay", "--ttl", "--from", "--to", "--timeout", "--retention"]) {
      assert.ok(taken.some((one) => one.name === name), `${name} is found`);
    }
    // One command for each of its flags at a time, and --wait once.
    const waits = taken.filter(({ name }) => name === "--wait").slice(1);
    const asked = taken.filter((one) => !waits.includes(one));
    await Promise.all(
      Map.groupBy(asked, ({ command }) => command.join(" ")).values().map(async (flags) => {
        for (const { command, name, right } of flags) {
          const { code, stdout, stderr } = await evs([...command, name, "yesterday"], { env });
          const said = `evs ${command.join(" ")} ${name} yesterday: ${stderr}`;
          const [line = ""] = stderr.split("\n").filter((text) => text.includes(name));
          assert.ok(line.includes('"yesterday"'), said);
          assert.match(line, right, said);
          assert.doesNotMatch(stderr, /bug in evs|\n\s+at /, said);
          assert.deepEqual([code, stdout], [command[0] === "check" ? 3 : 2, ""], said);
        }
      }),
    );
    assert.deepEqual([...Deno.readDirSync(folder)], [], "nothing was started");
  }));
