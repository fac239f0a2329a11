/**
 * The first start of a fresh copy: it needs the packages in `deno.lock` and none that only tests
 * use, and if they cannot be downloaded it says so in one sentence.
 */
import assert from "node:assert/strict";
import { denoDir, Place, project } from "../helpers/shell.ts";

interface Lock {
  npm: Record<string, unknown>;
}

async function packagesOf(lock: string): Promise<Set<string>> {
  const { npm } = JSON.parse(await Deno.readTextFile(`${project}/${lock}`)) as Lock;
  // `ajv-formats@3.0.1_ajv@8.20.0` is ajv-formats.
  return new Set(Object.keys(npm).map((key) => key.replace(/(?<=.)@.*$/, "")));
}

const runtime = await packagesOf("deno.lock");
const testOnly = (await packagesOf("tests/deno.lock")).difference(runtime);

/** No packet gets further than a port on which nobody listens. */
const NO_NETWORK = { HTTP_PROXY: "http://127.0.0.1:1", HTTPS_PROXY: "http://127.0.0.1:1" };

/** A cache with these packages, taken from the one that this test runs with. */
async function cacheWith(
  place: Place,
  packages: Iterable<string>,
): Promise<Record<string, string>> {
  const cache = `${place.folder}/cache`;
  await Deno.mkdir(`${cache}/npm`, { recursive: true });
  for (const name of packages) {
    await place.run(`cd ${denoDir()}/npm
for at in */${name}; do mkdir -p ${cache}/npm/"$(dirname "$at")"; cp -R "$at" ${cache}/npm/"$at"; done`);
  }
  // Colours are asked for by nobody, and refused by nobody.
  return { ...NO_NETWORK, DENO_DIR: cache, NO_COLOR: "" };
}

Deno.test("the tests have packages of their own, pinned in a lock file of their own", () => {
  for (const name of ["fast-check", "mongodb", "@redis/client", "postgres", "emittery"]) {
    assert.ok(testOnly.has(name), name);
  }
  for (const name of ["@stricli/core", "ajv", "re2js"]) assert.ok(runtime.has(name), name);
});

for (const entry of ["cli.ts", "daemon/main.ts", "mod.ts"]) {
  for (const flags of [[], [`--lock=${project}/deno.lock`, "--frozen"]]) {
    const how = flags.length === 0 ? "as it is" : "with the lock file";
    Deno.test(`deno info names no package that only tests use when it looks at ${entry} ${how}`, async () => {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["info", "--json", ...flags, `${project}/${entry}`],
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      const { modules, npmPackages } = JSON.parse(new TextDecoder().decode(stdout)) as {
        modules: { specifier: string }[];
        npmPackages: Record<string, { name: string }>;
      };
      const names = Object.values(npmPackages).map(({ name }) => name);
      assert.ok(names.some((name) => runtime.has(name)), "packages are listed");
      assert.deepEqual(names.filter((name) => testOnly.has(name)), []);
      const below = modules.map(({ specifier }) => decodeURIComponent(specifier));
      assert.deepEqual(below.filter((path) => path.startsWith(`file://${project}/tests/`)), []);
    });
  }
}

Deno.test("evs says in one sentence what is missing when nothing was downloaded and there is no network", async () => {
  await using place = await Place.make();
  const env = await cacheWith(place, []);
  for (
    const [command, expected] of [
      ["evs --version", 7],
      ["evs daemon start", 7],
      ["evs daemon start --json", 7],
      ["evs topic list", 7],
      // A monitoring system reads 2 as CRITICAL and knows no 7.
      ["evs check lag --warn 1 --crit 2", 3],
    ] as const
  ) {
    const { code, stdout, stderr } = await place.sh(command, env);
    assert.equal(code, expected, `${command}: ${stderr}`);
    assert.equal(stdout, "", command);
    assert.match(stderr, /^[^\n]*@stricli\/core\S* which evs needs[^\n]*network[^\n]*\n$/, command);
    // deno-lint-ignore no-control-regex -- it is what must not be there
    assert.doesNotMatch(stderr, /\x1b|\bat file:|os error/, command);
  }
});

Deno.test("evs daemon start says in one sentence what is missing when only the daemon's packages are", async () => {
  await using place = await Place.make();
  const env = await cacheWith(place, ["@stricli/core"]);
  const { code, stdout, stderr } = await place.sh("evs daemon start", env);
  assert.equal(code, 7, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^evs: [^\n]*, which evs needs, is not on this machine yet[^\n]*\n$/);
  // deno-lint-ignore no-control-regex -- it is what must not be there
  assert.doesNotMatch(stderr, /\x1b|\bat file:|os error/);
});

Deno.test("a daemon says in one sentence which package it lacks for a request, and does it once that is there", async () => {
  await using place = await Place.make();
  const env = await cacheWith(place, ["@stricli/core", "smol-toml"]);
  await place.run("evs daemon start; echo '{\"maximum\":5}' >schema.json", env);
  for (
    const command of ["evs schema register n schema.json", "evs replay t --where 'payload == 1'"]
  ) {
    await place.run("evs publish t n 1 >/dev/null", env);
    const { code, stderr } = await place.sh(command, env);
    assert.equal(code, 7, stderr);
    assert.match(
      stderr,
      /^evs: [^\n]*, which evs needs, is not on this machine yet[^\n]* and run evs daemon restart\n$/,
    );
  }
  await cacheWith(place, runtime);
  const told = await place.run(
    `evs daemon restart >/dev/null 2>&1
evs schema register n schema.json >/dev/null
evs publish t n 6 2>/dev/null || echo "refused with $?"
evs replay t --where 'payload == 1' | wc -l
evs daemon stop >/dev/null 2>&1`,
    env,
  );
  assert.equal(told, "refused with 4\n2\n");
});

Deno.test("evs and its daemon do all of their work when only the packages of deno.lock are there", async () => {
  await using place = await Place.make();
  const env = await cacheWith(place, runtime);
  const told = await place.run(
    `evs daemon start 2>&1
echo '{"type":"integer","maximum":5}' >int.json
evs schema register n int.json >/dev/null
evs publish t n 1 >/dev/null
evs publish t n 6 2>/dev/null || echo "refused with $?"
evs replay t --where 'payload == 1' | wc -l
evs daemon stop >/dev/null 2>&1`,
    env,
  );
  assert.match(told, /serves[^]*refused with 4\n1\n$/);
});

Deno.test("the library starts, publishes and delivers without loading a package", async () => {
  await using place = await Place.make();
  const env = await cacheWith(place, []);
  await Deno.writeTextFile(
    `${place.folder}/work/main.ts`,
    `import { EventBroker } from "${project}/mod.ts";
await using broker = new EventBroker();
broker.subscribe("t", ({ payload }) => console.log(payload));
await broker.publish("t", "n", "delivered");
await broker.idle();
`,
  );
  const run = `"$EVS_DENO" run --cached-only --lock=${project}/deno.lock --frozen -A ` +
    `--config ${project}/deno.json main.ts`;
  assert.equal(await place.run(run, env), "delivered\n");
});
