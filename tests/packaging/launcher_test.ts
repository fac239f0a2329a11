/** The launcher of packages: which Deno it chooses, and what it says when there is none. */
import assert from "node:assert/strict";
import { platform } from "../helpers/package_names.ts";
import { Place, project } from "../helpers/shell.ts";

/** A package at `path`, and things that say who they are in place of Deno. */
async function lay(place: Place, path: string): Promise<void> {
  const root = `${place.folder}/${path}`;
  await Deno.mkdir(`${root}/bin`, { recursive: true });
  await Deno.mkdir(`${root}/lib`);
  await Deno.copyFile(`${project}/packaging/evs`, `${root}/bin/evs`);
  await Deno.writeTextFile(`${root}/lib/cli.js`, "");
}

/** Something that is run in place of Deno: prints its name and what it is given. */
async function fakeDeno(place: Place, path: string, script?: string): Promise<void> {
  const file = `${place.folder}/${path}`;
  await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(file, script ?? `#!/bin/sh\nprintf '%s\\n' "${path}" "$@"\n`);
  await Deno.chmod(file, 0o755);
}

/** No Deno on this PATH but one that a test puts there, and none in the environment. */
function bare(place: Place): Record<string, string> {
  return { EVS_DENO: "", PATH: `${place.folder}/bin:${place.folder}/tools` };
}

/** A place with only the tools that a launcher may use. */
async function placeWithTools(): Promise<Place> {
  const place = await Place.make();
  await Deno.mkdir(`${place.folder}/tools`);
  await Deno.mkdir(`${place.folder}/bin`);
  for (const tool of ["sh", "readlink", "mkdir", "mv", "uname", "timeout"]) {
    const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${tool}`] })
      .output();
    await Deno.symlink(new TextDecoder().decode(stdout).trim(), `${place.folder}/tools/${tool}`);
  }
  return place;
}

const NATIVE = `${platform}-glibc`;

for (
  const [where, root, runtime] of [
    [
      "below the package, as npm -g puts it",
      "p/lib/node_modules/env-event-stream",
      `p/lib/node_modules/env-event-stream/node_modules/@deno/${NATIVE}/deno`,
    ],
    [
      "beside the package, as npm and yarn put it",
      "p/node_modules/env-event-stream",
      `p/node_modules/@deno/${NATIVE}/deno`,
    ],
    ["in the package, as archives have it", "p/evs-0.1.0", `p/evs-0.1.0/runtime/${platform}/deno`],
  ] as const
) {
  Deno.test(`the launcher takes the runtime ${where}, whatever is on the PATH`, async () => {
    await using place = await placeWithTools();
    await lay(place, root);
    await fakeDeno(place, runtime);
    await fakeDeno(place, "bin/deno");
    await Deno.symlink(`../${root}/bin/evs`, `${place.folder}/bin/evs`);
    const [chosen, ...args] = (await place.run("evs status --json", bare(place))).trim().split(
      "\n",
    );
    assert.equal(chosen, runtime);
    assert.deepEqual(args.slice(0, 2), ["run", "--quiet"]);
    assert.deepEqual(args.slice(-2), ["status", "--json"]);
    // Nothing was asked, so nothing had to be remembered.
    assert.deepEqual([...Deno.readDirSync(`${place.folder}/home`)], []);
  });
}

Deno.test("the launcher finds the runtime through pnpm's links", async () => {
  await using place = await placeWithTools();
  const store = "p/node_modules/.pnpm/env-event-stream@0.1.0/node_modules";
  await lay(place, `${store}/env-event-stream`);
  await fakeDeno(place, `p/node_modules/.pnpm/@deno+x@2.9.6/node_modules/@deno/${NATIVE}/deno`);
  await Deno.mkdir(`${place.folder}/${store}/@deno`);
  await Deno.symlink(
    `../../../@deno+x@2.9.6/node_modules/@deno/${NATIVE}`,
    `${place.folder}/${store}/@deno/${NATIVE}`,
  );
  await Deno.symlink(
    ".pnpm/env-event-stream@0.1.0/node_modules/env-event-stream",
    `${place.folder}/p/node_modules/env-event-stream`,
  );
  const told = await place.run(
    `"${place.folder}/p/node_modules/env-event-stream/bin/evs" x`,
    bare(place),
  );
  assert.match(told, /^p\/node_modules\/\.pnpm\/@deno\+x/);
});

Deno.test("EVS_DENO comes before the runtime of the package, and an error if it cannot be run", async () => {
  await using place = await placeWithTools();
  await lay(place, "p");
  await fakeDeno(place, `p/runtime/${platform}/deno`);
  await fakeDeno(place, "other/deno");
  const mine = { ...bare(place), EVS_DENO: `${place.folder}/other/deno` };
  assert.match(await place.run("../p/bin/evs", mine), /^other\/deno\n/);
  const { code, stderr } = await place.sh("../p/bin/evs", { ...mine, EVS_DENO: "/nowhere" });
  assert.equal(code, 70);
  assert.equal(
    stderr,
    "evs: EVS_DENO names /nowhere, which cannot be run\n  try: unset EVS_DENO\n",
  );
});

/** Answers the launcher's question, and counts how often it was asked. */
const shim = (answer: string) =>
  `#!/bin/sh
echo asked >>"$HOME/asked"
echo "${answer}"
`;

Deno.test("without a runtime the launcher asks the deno on the PATH once, and remembers its binary", async () => {
  await using place = await placeWithTools();
  await lay(place, "p");
  await fakeDeno(place, "real/deno");
  await fakeDeno(place, "bin/deno", shim(`${place.folder}/real/deno`));
  const told = await place.run("../p/bin/evs a; ../p/bin/evs b; cat ../home/asked", {
    ...bare(place),
    PATH: `${bare(place)["PATH"]}:/usr/bin:/bin`,
  });
  assert.match(told, /^real\/deno\n[^]*\na\nreal\/deno\n[^]*\nb\nasked\n$/);
});

Deno.test("nobody else can write where the launcher remembers the binary, whatever the umask", async () => {
  await using place = await placeWithTools();
  await lay(place, "p");
  await fakeDeno(place, "real/deno");
  await fakeDeno(place, "bin/deno", shim(`${place.folder}/real/deno`));
  await place.run("umask 000; ../p/bin/evs a", bare(place));
  for (const path of [".cache", ".cache/evs", ".cache/evs/deno-2.9"]) {
    const { mode } = await Deno.stat(`${place.folder}/home/${path}`);
    assert.equal(mode! & 0o022, 0, path);
  }
});

Deno.test("a deno on the PATH that is too old is refused in words", async () => {
  await using place = await placeWithTools();
  await lay(place, "p");
  await fakeDeno(place, "bin/deno", shim("old 1.46.3"));
  const { code, stderr } = await place.sh("../p/bin/evs status", bare(place));
  assert.equal(code, 70);
  assert.equal(
    stderr,
    "evs: Deno 2.9 is needed, and the deno on the PATH is 1.46.3\n  try: npm install -g deno@2.9.6\n",
  );
});

Deno.test("without any Deno the launcher says what to install, or that there is none for this platform", async () => {
  await using place = await placeWithTools();
  await lay(place, "p");
  const omitted = await place.sh("../p/bin/evs status", bare(place));
  assert.equal(omitted.code, 70);
  assert.match(
    omitted.stderr,
    /^evs: Deno 2\.9 was not found: [^\n]*\n {2}try: npm install -g deno@2\.9\.6\n$/,
  );
  await fakeDeno(place, "bin/uname", "#!/bin/sh\necho Linux riscv64\n");
  const foreign = await place.sh("../p/bin/evs status", bare(place));
  assert.equal(foreign.code, 70);
  assert.match(
    foreign.stderr,
    /^evs: there is no Deno for this platform \(Linux riscv64\)\n {2}try: [^\n]*\n$/,
  );
});

Deno.test("a package for another machine says which one it is for, when there is no other Deno", async () => {
  await using place = await placeWithTools();
  await lay(place, "p");
  const other = platform === "linux-x64" ? "linux-arm64" : "linux-x64";
  await fakeDeno(place, `p/runtime/${other}/deno`);
  const machine = platform === "linux-x64" ? "x86_64" : "aarch64";
  const { code, stderr } = await place.sh("../p/bin/evs status", bare(place));
  assert.equal(code, 70);
  assert.equal(
    stderr,
    `evs: this evs is for ${other}, and this machine is Linux ${machine}\n` +
      "  try: the archive or the .deb for this machine; or a Deno for it: npm install -g deno@2.9.6\n",
  );
  await fakeDeno(place, "real/deno");
  await fakeDeno(place, "bin/deno", shim(`${place.folder}/real/deno`));
  assert.match(await place.run("../p/bin/evs status", bare(place)), /^real\/deno\n/);
});

Deno.test("the launcher finds its files when it is a link that is named without a folder", async () => {
  await using place = await placeWithTools();
  await lay(place, "p/lib/evs");
  await fakeDeno(place, `p/lib/evs/runtime/${platform}/deno`);
  await Deno.mkdir(`${place.folder}/p/bin`);
  await Deno.symlink("../lib/evs/bin/evs", `${place.folder}/p/bin/evs`);
  assert.match(await place.run("cd ../p/bin; sh evs status", bare(place)), /^p\/lib\/evs\/runtime/);
});

Deno.test("a runtime for another kind of system is passed over", async () => {
  await using place = await placeWithTools();
  await lay(place, "p/env-event-stream");
  // Its loader is not on this machine, as glibc's is not on Alpine.
  const other = NATIVE === "linux-x64-glibc" ? "linux-arm64-glibc" : "linux-x64-glibc";
  await fakeDeno(place, `p/@deno/${other}/deno`);
  const { code, stderr } = await place.sh("../p/env-event-stream/bin/evs", bare(place));
  assert.equal(code, 70);
  assert.match(stderr, /^evs: Deno 2\.9 was not found/);
});

Deno.test("the launcher names files that are not there, and what to type if they cannot be read", async () => {
  await using place = await placeWithTools();
  await lay(place, "p");
  await Deno.remove(`${place.folder}/p/lib/cli.js`);
  const { code, stderr } = await place.sh("../p/bin/evs status", bare(place));
  assert.equal(code, 7);
  assert.match(
    stderr,
    /^evs: \.\.\/p\/lib is not there, or this user cannot read it\n {2}try: chmod -R a\+rX '\.\.\/p'/,
  );
});
