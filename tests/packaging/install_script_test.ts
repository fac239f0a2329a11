/**
 * The install script: what it installs, replaces and removes, that it asks first, and that it
 * refuses in words what it cannot do. The archives have a small program in place of evs.
 */
import assert from "node:assert/strict";
import { tarball } from "../../packaging/tar.ts";
import { textFile, type Tree } from "../../packaging/tree.ts";
import { sha256 } from "../../packaging/runtime.ts";
import { platform } from "../helpers/package_names.ts";
import { needTools, Place, project, type ScriptResult } from "../helpers/shell.ts";

needTools("bash", "dash", "script", "setsid", "tar");

const script = `${project}/packaging/install.sh`;

/** An archive whose evs says its version, or something else. */
function smallTree(version: string, says = `evs ${version}`): Tree {
  return new Map([
    ["bin/evs", textFile(`#!/bin/sh\necho "${says}"\n`, { executable: true })],
    ["lib/cli.js", textFile("")],
    ["man/man1/evs.1", textFile("")],
    ["man/man1/evs-publish.1", textFile("")],
    ["man/man5/evs-config.5", textFile("")],
    ["completions/evs.bash", textFile("")],
    ["completions/_evs", textFile("")],
    ["completions/evs.fish", textFile("")],
  ]);
}

/** A folder `release` with the script, archives, and checksums. */
async function lay(place: Place, trees: Record<string, Tree>): Promise<void> {
  const folder = `${place.folder}/work/release`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.copyFile(script, `${folder}/install.sh`);
  let sums = "";
  for (const [version, tree] of Object.entries(trees)) {
    const name = `evs-${version}-${platform}`;
    const bytes = await tarball(tree, name);
    await Deno.writeFile(`${folder}/${name}.tar.gz`, bytes);
    sums += `${await sha256(new Uint8Array(bytes))}  ${name}.tar.gz\n`;
  }
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, sums);
}

/** Runs the script without a terminal. */
async function install(
  place: Place,
  words = "--yes",
  env: Record<string, string> = {},
): Promise<ScriptResult> {
  return await place.sh(`exec setsid -w sh release/install.sh ${words}`, env);
}

/** What is below the home: files, and links with where they lead. */
async function home(place: Place): Promise<string[]> {
  return (await place.run(`cd "$HOME" && find . ! -type d -printf '%P %l\\n' | LC_ALL=C sort`))
    .trim().split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** What an installation has, as the small archives make it. */
const INSTALLED = [
  ".local/bin/evs ../lib/evs/bin/evs",
  ".local/lib/evs/.install.sh",
  ".local/lib/evs/bin/evs",
  ".local/lib/evs/completions/_evs",
  ".local/lib/evs/completions/evs.bash",
  ".local/lib/evs/completions/evs.fish",
  ".local/lib/evs/lib/cli.js",
  ".local/lib/evs/man/man1/evs-publish.1",
  ".local/lib/evs/man/man1/evs.1",
  ".local/lib/evs/man/man5/evs-config.5",
  ".local/share/bash-completion/completions/evs ../../../lib/evs/completions/evs.bash",
  ".local/share/fish/vendor_completions.d/evs.fish ../../../lib/evs/completions/evs.fish",
  ".local/share/man/man1/evs-publish.1 ../../../lib/evs/man/man1/evs-publish.1",
  ".local/share/man/man1/evs.1 ../../../lib/evs/man/man1/evs.1",
  ".local/share/man/man5/evs-config.5 ../../../lib/evs/man/man5/evs-config.5",
  ".local/share/zsh/site-functions/_evs ../../../lib/evs/completions/_evs",
];

/** That nothing is left of what the script needed meanwhile. */
async function nothingLeft(place: Place): Promise<void> {
  const left = await place.run(
    `find "$TMPDIR" "$HOME" -mindepth 1 -name '.evs-*' -o -path "$TMPDIR/*"`,
  );
  assert.equal(left, "");
}

for (const shell of ["dash", "bash"]) {
  Deno.test(`the install script puts evs below ~/.local in ${shell}, and says before what it will do`, async () => {
    await using place = await Place.make();
    await lay(place, { "1.2.3": smallTree("1.2.3") });
    const { code, stdout, stderr } = await place.sh(`exec ${shell} release/install.sh --yes`);
    assert.deepEqual([code, stderr], [0, ""], stdout);
    const local = `${place.folder}/home/.local`;
    assert.equal(
      stdout,
      `This will
  - check release/evs-1.2.3-${platform}.tar.gz against SHA256SUMS
  - unpack evs 1.2.3 into ${local}/lib/evs
  - make the link ${local}/bin/evs, and links to man pages and completions in ${local}/share
It changes no other file, and starts nothing.
Installed evs 1.2.3.
${local}/bin is not on the PATH: export PATH="${local}/bin:$PATH"
Next: evs daemon start
`,
    );
    assert.deepEqual(await home(place), INSTALLED);
    assert.equal(await place.run('find -L "$HOME" -type l'), "", "every link leads somewhere");
    assert.equal(await place.run('"$HOME/.local/bin/evs" --version'), "evs 1.2.3\n");
    await nothingLeft(place);
  });
}

Deno.test("the install script does nothing when there is nobody to ask, or the answer is no", async () => {
  await using place = await Place.make();
  await lay(place, { "1.2.3": smallTree("1.2.3") });
  const { code, stdout, stderr } = await install(place, "");
  assert.equal(code, 1);
  assert.match(stdout, /^This will\n/);
  assert.equal(
    stderr,
    "install.sh: there is no terminal to ask on, so nothing was done\n  try: --yes\n",
  );
  for (const answer of ["n", "", "no"]) {
    const told = await place.sh(
      `printf '${answer}\\n' | script -qec "sh release/install.sh" /dev/null`,
    );
    assert.equal(told.code, 1, told.stdout);
    assert.match(told.stdout, /Go on\? \[y\/N\] [^]*Nothing was done\./);
  }
  assert.deepEqual(await home(place), []);
  const told = await place.sh(`printf 'y\\n' | script -qec "sh release/install.sh" /dev/null`);
  assert.equal(told.code, 0, told.stdout);
  assert.match(told.stdout, /Installed evs 1\.2\.3\./);
  assert.deepEqual(await home(place), INSTALLED);
  await nothingLeft(place);
});

Deno.test("the install script replaces an older version, and leaves what is not its own", async () => {
  await using place = await Place.make();
  await lay(place, { "1.0.0": smallTree("1.0.0"), "1.1.0-rc.1": smallTree("1.1.0-rc.1") });
  await place.run(`mkdir -p "$HOME/.local/share/evs" "$HOME/.local/share/man/man1"
echo data >"$HOME/.local/share/evs/data"
echo mine >"$HOME/.local/share/man/man1/evs.1"`);
  const several = await install(place);
  assert.equal(several.code, 1);
  assert.match(
    several.stderr,
    /^install\.sh: release has several versions\n {2}try: --version VERSION; there is evs-1\.0\.0-\S+ evs-1\.1\.0-rc\.1-/,
  );
  assert.equal((await install(place, "--yes --version 1.0.0")).code, 0);
  await Deno.writeTextFile(`${place.folder}/home/.local/lib/evs/left-over`, "");
  const { code, stdout } = await install(place, "--yes --version 1.1.0-rc.1");
  assert.equal(code, 0, stdout);
  assert.match(stdout, / - replace \S+\/lib\/evs with evs 1\.1\.0-rc\.1\n/);
  assert.match(stdout, /goes on with the old version until: evs daemon restart\n$/);
  assert.equal(await place.run('"$HOME/.local/bin/evs"'), "evs 1.1.0-rc.1\n");
  const own = INSTALLED.filter((line) => !line.startsWith(".local/share/man/man1/evs.1 "));
  assert.deepEqual(
    await home(place),
    [...own, ".local/share/evs/data", ".local/share/man/man1/evs.1"].sort(),
  );
  const removed = await install(place, "--uninstall --yes");
  assert.deepEqual([removed.code, removed.stderr], [0, ""]);
  assert.match(removed.stdout, /^This will\n {2}- remove \S+\/lib\/evs, [^]*Removed evs\.\n$/);
  assert.deepEqual(await home(place), [".local/share/evs/data", ".local/share/man/man1/evs.1"]);
  const again = await install(place, "--uninstall --yes");
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^install\.sh: there is no evs in /);
  await nothingLeft(place);
});

Deno.test("the install script keeps the version that is there when the new one is damaged or does not run", async () => {
  await using place = await Place.make();
  await lay(place, { "1.0.0": smallTree("1.0.0") });
  assert.equal((await install(place)).code, 0);
  const archive = `${place.folder}/work/release/evs-1.1.0-${platform}.tar.gz`;
  await Deno.remove(`${place.folder}/work/release`, { recursive: true });
  await lay(place, { "1.1.0": smallTree("1.1.0", "Exec format error") });
  const { code, stderr } = await install(place);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^install\.sh: the evs in evs-1\.1\.0-\S+ does not run here: Exec format error\n/,
  );
  const bytes = await Deno.readFile(archive);
  bytes[bytes.length >> 1]! ^= 1;
  await Deno.writeFile(archive, bytes);
  const damaged = await install(place);
  assert.equal(damaged.code, 1);
  assert.match(
    damaged.stderr,
    /\.tar\.gz is not the one that SHA256SUMS names: damaged, or changed\n/,
  );
  await Deno.remove(archive);
  assert.match(
    (await install(place)).stderr,
    /^install\.sh: release has no evs-1\.1\.0-\S+ that can be read\n/,
  );
  assert.deepEqual(await home(place), INSTALLED);
  assert.equal(await place.run('"$HOME/.local/bin/evs"'), "evs 1.0.0\n");
  await nothingLeft(place);
});

Deno.test("the install script unpacks what it has checked, whatever is in the folder by then", async () => {
  await using place = await Place.make();
  await lay(place, { "1.2.3": smallTree("1.2.3", "somebody else's") });
  await place.run(`mv release/evs-*.tar.gz other.tar.gz`);
  await lay(place, { "1.2.3": smallTree("1.2.3") });
  // Where others can write to the folder, they have a moment between the check and the unpacking.
  await place.run(`mkdir fake && cat >fake/sha256sum <<'SCRIPT' && chmod +x fake/sha256sum
#!/bin/sh
PATH=\${PATH#*:}
sha256sum "$@" || exit
cp "$OTHER" "$ARCHIVE"
SCRIPT`);
  const archive = `${place.folder}/work/release/evs-1.2.3-${platform}.tar.gz`;
  const { code, stderr } = await install(place, "--yes", {
    PATH: `${place.folder}/work/fake:${place.env["PATH"]}`,
    OTHER: `${place.folder}/work/other.tar.gz`,
    ARCHIVE: archive,
  });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(await place.run('"$HOME/.local/bin/evs"'), "evs 1.2.3\n");
  assert.deepEqual(
    await Deno.readFile(archive),
    await Deno.readFile(`${place.folder}/work/other.tar.gz`),
  );
  await nothingLeft(place);
});

Deno.test("the install script makes links that lead to evs in folders that are links", async () => {
  await using place = await Place.make();
  await lay(place, { "1.2.3": smallTree("1.2.3"), "1.2.4": smallTree("1.2.4") });
  await place.run(`cd "$HOME" && mkdir -p .local dotfiles/deep/bin dotfiles/share
ln -s ../dotfiles/deep/bin .local/bin
ln -s ../dotfiles/share .local/share`);
  for (const version of ["1.2.3", "1.2.4"]) {
    const { code, stdout, stderr } = await install(place, `--yes --version ${version}`);
    assert.deepEqual([code, stderr], [0, ""], stdout);
    assert.equal(await place.run('"$HOME/.local/bin/evs"'), `evs ${version}\n`);
  }
  assert.equal(await place.run('find -L "$HOME/.local" -type l'), "", "links that lead nowhere");
  assert.equal((await install(place, "--uninstall --yes")).code, 0);
  assert.deepEqual(await home(place), [
    ".local/bin ../dotfiles/deep/bin",
    ".local/share ../dotfiles/share",
  ]);
});

Deno.test("the install script refuses what it cannot do in one sentence, and changes nothing", async () => {
  await using place = await Place.make();
  await lay(place, { "1.2.3": smallTree("1.2.3") });
  const other = platform === "linux-x64" ? "aarch64" : "x86_64";
  const fake = (said: string) =>
    place.run(
      `mkdir -p fake && printf '#!/bin/sh\\necho "${said}"\\n' >fake/uname && chmod +x fake/uname`,
    );
  const faked = { PATH: `${place.folder}/work/fake:${place.env.PATH}` };
  const refused = async (words: string, said: RegExp, env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await install(place, words, env);
    assert.equal(code, 1, words);
    assert.match(stderr, /^install\.sh: .+\n {2}try: .+\n$/, words);
    assert.match(stderr, said, words);
    assert.equal(stdout, "", words);
  };
  await fake("Darwin arm64");
  await refused("--yes", /there is no archive for Darwin arm64/, faked);
  // Its loader is not here, as on a system without glibc.
  await fake(`Linux ${other}`);
  await refused("--yes", /this system has no glibc/, faked);
  await refused("--yes --version 9.9.9", /release has no evs-9\.9\.9-/);
  await refused("--yes --from nowhere", /nowhere has no SHA256SUMS that can be read/);
  await refused("--yes --prefix /dev/null/evs", /\/dev\/null cannot be written to/);
  await refused("--yes", /HOME is not set/, { HOME: "" });
  await place.run("mkdir empty && : >empty/SHA256SUMS");
  await refused("--yes --from empty", /empty has no archive for linux-/);
  // A name that would leave the folder is no archive.
  await place.run(
    `mkdir tricky && printf '%064d  evs-../../x-${platform}.tar.gz\\n' 0 >tricky/SHA256SUMS`,
  );
  await refused("--yes --from tricky", /tricky has no archive for linux-/);
  const tools = `${place.folder}/tools`;
  await place.run(
    `mkdir "${tools}" && for tool in sh uname tar gzip; do ln -s "$(command -v $tool)" "${tools}"; done`,
  );
  const { code, stderr } = await place.sh(`PATH="${tools}"; exec sh release/install.sh --yes`);
  assert.equal(code, 1);
  assert.equal(
    stderr,
    "install.sh: readlink is needed, and is not on the PATH\n  try: install readlink\n",
  );
  assert.deepEqual(await home(place), []);
  await nothingLeft(place);
});

Deno.test("the install script touches nothing that belongs to something else", async () => {
  for (
    const [there, said] of [
      ["bin/evs", /\/bin\/evs is there and belongs to something else/],
      ["lib/evs/mine", /\/lib\/evs is there, and this script did not make it/],
      // As the Debian package has it.
      ["lib/evs/lib/cli.js", /\/lib\/evs is there, and this script did not make it/],
      ["lib/evs", /\/lib\/evs is there, and this script did not make it/],
      ["lib", /\/lib cannot be written to/],
    ] as const
  ) {
    await using place = await Place.make();
    await lay(place, { "1.2.3": smallTree("1.2.3") });
    await place.run(
      `cd "$HOME" && mkdir -p ".local/$(dirname ${there})" && echo mine >.local/${there}`,
    );
    const { code, stderr } = await install(place);
    assert.equal(code, 1, there);
    assert.match(stderr, said);
    assert.deepEqual(await home(place), [`.local/${there}`]);
    const removed = await install(place, "--uninstall --yes");
    assert.equal(removed.code, 1, there);
    assert.deepEqual(await home(place), [`.local/${there}`]);
    await nothingLeft(place);
  }
});

Deno.test("the install script takes places with spaces, and says what is wrong with a flag", async () => {
  await using place = await Place.make();
  await lay(place, { "1.2.3": smallTree("1.2.3") });
  await place.run('mv release "a release"');
  const run = (words: string) => place.sh(`exec setsid -w sh "a release/install.sh" ${words}`);
  const { code, stderr } = await run("--yes --prefix 'a prefix/'");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(await place.run('"a prefix/bin/evs"'), "evs 1.2.3\n");
  assert.equal((await run("--uninstall --yes --prefix 'a prefix'")).code, 0);
  assert.equal(await place.run("find 'a prefix' ! -type d"), "");
  for (const words of ["--nosuch", "evs", "--from", "--prefix ''", "--version"]) {
    const wrong = await run(words);
    assert.equal(wrong.code, 2, words);
    assert.match(wrong.stderr, /^install\.sh: .+\n {2}try: sh install\.sh --help\n$/);
  }
  assert.match((await run("--help")).stdout, /^sh install\.sh \[--from PLACE\][^]*--uninstall/);
});

Deno.test("the install script says when another evs comes first on the PATH", async () => {
  await using place = await Place.make();
  await lay(place, { "1.2.3": smallTree("1.2.3") });
  const bin = `${place.folder}/home/.local/bin`;
  const last = await install(place, "--yes", { PATH: `${place.env.PATH}:${bin}` });
  assert.match(last.stdout, /^Another evs comes first on the PATH: \S+\/bin\/evs$/m);
  const ahead = await install(place, "--yes", { PATH: `${bin}:${place.env.PATH}` });
  assert.equal(ahead.code, 0);
  assert.doesNotMatch(ahead.stdout, /PATH/);
});

Deno.test("the install script works from a pipe, and does nothing if only a part of it arrives", async () => {
  await using place = await Place.make();
  await lay(place, { "1.2.3": smallTree("1.2.3") });
  const bytes = (await Deno.stat(script)).size;
  const told = await place.run(
    `for size in $(seq 100 400 ${bytes - 12}); do
  head -c "$size" release/install.sh | setsid -w sh -s -- --from release --yes 2>/dev/null || true
done`,
  );
  assert.equal(told, "");
  assert.deepEqual(await home(place), []);
  const { code, stderr } = await place.sh("setsid -w sh -s -- --yes <release/install.sh");
  assert.equal(code, 1);
  assert.match(stderr, /^install\.sh: nothing says where the archive is\n/);
  await place.run("setsid -w sh -s -- --from release --yes <release/install.sh");
  assert.deepEqual(await home(place), INSTALLED);
});
