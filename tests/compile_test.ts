/**
 * The single binary: `deno task compile` embeds everything that is loaded at run time. The binary
 * itself is built and run only if DENORT_BIN names Deno's runtime, because `deno compile` downloads
 * that.
 */
import assert from "node:assert/strict";
import { daemonCommand } from "../core/client/launch.ts";
import { entryPoints } from "../packaging/entry_points.ts";
import { Place, project } from "./helpers/shell.ts";

const { tasks } = JSON.parse(await Deno.readTextFile(`${project}/deno.json`));
const words: string[] = tasks.compile.command.split(" ");
const included = words.flatMap((word, i) => words[i - 1] === "--include" ? [`${word}/`] : []);

Deno.test("the task compile embeds every module that is loaded while evs runs", async () => {
  const later = (await entryPoints()).slice(1);
  assert.ok(later.includes("daemon/main.ts"), "the daemon is loaded by name");
  assert.ok(later.includes("daemon/journal_worker.ts"), "workers are found");
  assert.ok(later.length > 20, `${later.length} modules were found`);
  for (const module of later) {
    await Deno.stat(`${project}/${module}`);
    assert.ok(included.some((folder) => module.startsWith(folder)), `${module} is not embedded`);
  }
});

Deno.test("the task compile embeds the page of the dashboard", () => {
  assert.ok(included.includes("dashboard/dist/"), included.join());
});

Deno.test("the task compile gives a binary the V8 flags that a daemon is started with", () => {
  const { args } = daemonCommand({ dataDir: "/d", socket: "/s/s", config: "/c" });
  const flag = args.find((word) => word.startsWith("--v8-flags="));
  assert.ok(flag !== undefined && words.includes(flag), `${flag} in ${tasks.compile.command}`);
});

Deno.test({
  name: "the binary serves, publishes and replays when it is all that there is",
  ignore: Deno.env.get("DENORT_BIN") === undefined,
  async fn() {
    await using place = await Place.make();
    const binary = `${place.folder}/evs`;
    const args = words.slice(1).map((word) => word === "dist/evs" ? binary : word);
    const built = await new Deno.Command(Deno.execPath(), { args, cwd: project }).output();
    assert.ok(built.success, new TextDecoder().decode(built.stderr));
    const env = { PATH: "/usr/bin:/bin", EVS_DENO: "/nowhere" };
    const said = await place.sh(
      `'${binary}' with -- sh -c "'${binary}' publish t x 1 && '${binary}' replay t"`,
      env,
    );
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, /"payload":1\}\n$/);
  },
});
