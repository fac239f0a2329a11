/** The commands of docs/scaling.md do what the page says, from the first to the last. */
import assert from "node:assert/strict";
import { startPostgres } from "../../helpers/postgres.ts";

const root = new URL("../../../", import.meta.url);
const DATABASE = "postgres://evs@127.0.0.1:5432/events";

const SHOW = "evs subscription show billing --data-dir one";
/** Parts go back soon after their consumer has ended: here one stays until they are shown. */
const SHOW_IN_TIME = `evs consume orders --name billing --data-dir two -- cat >consumer.log 2>&1 &
trap 'kill $!; wait $! || true' EXIT
until ${SHOW} >shown && grep -q '"owners":\\[{"node":' shown; do sleep 0.1; done
cat shown
`;

async function shell(command: string, cwd: string) {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", command],
    cwd,
    env: {
      HOME: cwd,
      XDG_RUNTIME_DIR: cwd,
      PATH: `${decodeURIComponent(root.pathname)}bin:${Deno.env.get("PATH")}`,
      EVS_DENO: Deno.execPath(),
    },
  }).output();
  const decoder = new TextDecoder();
  return { success, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

/** The commands under a heading of the page. */
async function blocksUnder(heading: string): Promise<string[]> {
  const page = await Deno.readTextFile(new URL("docs/scaling.md", root));
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  return [...section!.matchAll(/```sh\n([^]*?)```/g)].map(([, text]) => text!);
}

Deno.test("docs/scaling.md takes along what a daemon has", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const url = await server.database({ name: "events" });
  const [block, ...others] = await blocksUnder("The move");
  assert.ok(block !== undefined && block.includes(DATABASE), "the page names a database");
  assert.equal(others.length, 0);
  const folder = await Deno.makeTempDir({ prefix: "evs-scaling-" });
  try {
    const before = "evs daemon start && evs publish orders placed '{\"id\":7}' --key 7";
    const after = "evs replay orders --data-dir one";
    for (const script of [before, block.replaceAll(DATABASE, url), after]) {
      const { success, out, error } = await shell(script, folder);
      assert.ok(success, `${script}${out}${error}`);
      if (script === after) assert.match(out, /^\{"seq":1,[^]*"payload":\{"id":7\}\}\n$/);
    }
  } finally {
    await shell("evs daemon stop; evs daemon stop --data-dir one", folder);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("docs/scaling.md brings up two daemons on one database, and stops them", async () => {
  await using server = await startPostgres();
  const url = await server.database({ name: "events" });
  const blocks = await blocksUnder("Two daemons in five minutes");
  assert.equal(blocks.length, 3);
  assert.ok(blocks[0]!.includes(DATABASE), "the page names a database");
  const folder = await Deno.makeTempDir({ prefix: "evs-scaling-" });
  try {
    const said: string[] = [];
    assert.ok(blocks[1]!.endsWith(`\n${SHOW}\n`), "the page shows who owns which parts");
    for (const block of blocks) {
      const script = block.replaceAll(DATABASE, url).replace(SHOW, () => SHOW_IN_TIME);
      const { success, out, error } = await shell(script, folder);
      assert.ok(success, `${block}${out}${error}`);
      said.push(out);
    }
    const [nodes, events, ended] = said;
    assert.equal(nodes!.split('"node":').length - 1, 2, nodes);
    assert.match(events!, /^\{"id":7\}\n\{"id":7,"sum":30\}$/m);
    assert.match(events!, /"name":"billing"[^]*"owners":\[\{"node":/);
    assert.doesNotMatch(ended!, /"level":"damage"/);
  } finally {
    // Those that run still, if a command before the last ones failed.
    for (const dataDir of ["one", "two"]) {
      await shell(`evs daemon stop --data-dir ${dataDir}`, folder);
    }
    await Deno.remove(folder, { recursive: true });
  }
});
