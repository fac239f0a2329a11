/**
 * The packages, installed and unpacked as a user does, with an empty home: each does the main job
 * as root and as an ordinary user, with the network taken away. Building a release twice gives
 * equal bytes.
 */
import assert from "node:assert/strict";
import { archiveName, buildArchive } from "../../packaging/archive.ts";
import { npmTree } from "../../packaging/npm.ts";
import { buildProgram, type Program } from "../../packaging/program.ts";
import { buildRelease } from "../../packaging/release.ts";
import { writeTree } from "../../packaging/tree.ts";
import { needTools, Place, project } from "../helpers/shell.ts";

needTools("npm", "tar", "unshare", "setpriv", "dpkg-deb", "lintian", "sha256sum");

const { version } = JSON.parse(await Deno.readTextFile(`${project}/deno.json`));
const platform = Deno.build.arch === "aarch64" ? "linux-arm64" : "linux-x64";

let built: Promise<Program> | undefined;
const program = () => built ??= buildProgram();

/** Publish, a dead letter, look at it, retry it, done. */
const MAIN_JOB = `
test "$(evs --version)" = "evs ${version}"
evs daemon start 2>/dev/null >"$HOME/started"
evs status | grep -q '"version":"${version}"'
evs publish users user.created '{"userId":"u1"}' >/dev/null
evs consume users --name mailer --until-empty --max-retries 0 -- sh -c 'exit 1' 2>/dev/null || test $? = 6
evs dlq list | grep -q '"subscription":"mailer"'
evs dlq retry --all >/dev/null
evs consume users --name mailer --until-empty -- cat 2>/dev/null
test -z "$(evs dlq list)"
echo '{"type":"integer"}' >"$HOME/schema.json"
evs schema register n "$HOME/schema.json" >/dev/null
evs publish t n '"no number"' 2>/dev/null || echo "refused with $?"
evs replay users --where 'payload.userId == "u1"' | wc -l
evs docs dlq retry | head -1 | grep -q .
evs with -- sh -c 'evs publish a b 1 >/dev/null && evs replay a' | wc -l
evs daemon stop >/dev/null 2>&1
`;

/** What it prints. */
const DONE = '{"userId":"u1"}\nrefused with 4\n1\n1\n';

/** Who runs it. */
const USERS = {
  root: "unshare -n",
  "an ordinary user": "unshare -n setpriv --reuid=65534 --regid=65534 --clear-groups",
};

/** Runs the main job without a network, with an empty home, and `evs` from `bin`. */
async function doMainJob(place: Place, { bin, as }: { bin: string; as: keyof typeof USERS }) {
  const home = `${place.folder}/home-${as.replaceAll(" ", "-")}`;
  await Deno.mkdir(home, { mode: 0o700 });
  if (as !== "root") await Deno.chown(home, 65534, 65534);
  await Deno.writeTextFile(`${place.folder}/job`, `set -eu\n${MAIN_JOB}`);
  const told = await place.run(
    `cd / && exec ${
      USERS[as]
    } env -i PATH="${bin}:/usr/bin:/bin" HOME="${home}" TMPDIR="${home}/tmp" sh -c 'mkdir "$TMPDIR" && . "$0"' "${place.folder}/job"`,
  );
  assert.equal(told, DONE, as);
  const written = [...Deno.readDirSync(home)].map(({ name }) => name).sort();
  assert.deepEqual(written, [".cache", ".local", "schema.json", "started", "tmp"], as);
  // A deno on the PATH was never asked: the runtime of the package was found.
  assert.deepEqual([...Deno.readDirSync(`${home}/.cache`)].map(({ name }) => name), ["deno"], as);
  assert.deepEqual([...Deno.readDirSync(`${home}/tmp`)], [], as);
}

/** A place that an ordinary user may enter. */
async function openPlace(): Promise<Place> {
  const place = await Place.make();
  await Deno.chmod(place.folder, 0o755);
  return place;
}

/** Every file below a folder, with its size and time. */
async function listing(place: Place, folder: string): Promise<string> {
  return await place.run(`find "${folder}" -printf '%P %s %T@ %m\\n' | sort`);
}

/** The environment in which npm reaches its registry, with an empty home. */
function npmEnv(place: Place): Record<string, string> {
  const home = Deno.env.get("HOME") ?? "/root";
  return {
    ...Deno.env.toObject(),
    HOME: `${place.folder}/home`,
    npm_config_cache: Deno.env.get("npm_config_cache") ?? `${home}/.npm`,
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_update_notifier: "false",
  };
}

Deno.test("npm install -g of the packed package does the main job", async () => {
  await using place = await openPlace();
  const { tree } = await program();
  await writeTree(await npmTree(tree), `${place.folder}/npm`);
  const prefix = `${place.folder}/prefix`;
  await place.run(
    `cd .. && npm pack --silent ./npm >/dev/null
npm install -g --silent --prefix "${prefix}" ./env-event-stream-${version}.tgz`,
    npmEnv(place),
  );
  const installed = `${prefix}/lib/node_modules/env-event-stream`;
  await Deno.stat(`${prefix}/share/man/man1/evs.1`);
  const before = await listing(place, installed);
  assert.match(before, /node_modules\/@deno\/linux-\w+-glibc\/deno /, "npm installed the runtime");
  for (const as of ["root", "an ordinary user"] as const) {
    await doMainJob(place, { bin: `${prefix}/bin`, as });
  }
  assert.equal(await listing(place, installed), before, "nothing was written below the prefix");
});

Deno.test("the archive does the main job wherever it is unpacked", async () => {
  await using place = await openPlace();
  const { tree } = await program();
  const folder = place.folder;
  const archive = await buildArchive(tree, { platform, folder, runtime: Deno.execPath() });
  const name = await archiveName(platform);
  await place.run(`mkdir "$HOME/../un packed" && tar -xzf "${archive}" -C "$HOME/../un packed"`);
  const unpacked = `${folder}/un packed/${name}`;
  const before = await listing(place, unpacked);
  for (
    const file of [
      "LICENSE",
      "THIRD_PARTY_LICENSES",
      "licenses/deno.txt",
      "README.md",
      "docs/operating.md",
      "man/man1/evs-publish.1",
    ]
  ) {
    assert.ok(before.includes(`\n${file} `), file);
  }
  for (const file of ["evs.bash", "_evs", "evs.fish"]) {
    assert.ok(before.includes(`\ncompletions/${file} `), file);
  }
  for (const as of ["root", "an ordinary user"] as const) {
    await doMainJob(place, { bin: `${unpacked}/bin`, as });
  }
  assert.equal(await listing(place, unpacked), before, "nothing was written into it");
});

/** A release with a small program in place of Deno: packing is what is looked at. */
async function smallRelease(place: Place, name: string): Promise<string> {
  const runtime = `${place.folder}/small-runtime`;
  await Deno.writeTextFile(runtime, "#!/bin/sh\nexit 0\n");
  const folder = `${place.folder}/${name}`;
  await buildRelease({
    folder,
    platforms: ["linux-x64"],
    runtimeOf: () => Promise.resolve(runtime),
  });
  return folder;
}

Deno.test("a release has equal bytes when it is built twice, and checksums that are right", async () => {
  await using place = await openPlace();
  const first = await smallRelease(place, "first");
  const umask = Deno.umask(0o077);
  let second: string;
  try {
    second = await smallRelease(place, "second");
  } finally {
    Deno.umask(umask);
  }
  const sums = await Deno.readTextFile(`${first}/SHA256SUMS`);
  assert.equal(await Deno.readTextFile(`${second}/SHA256SUMS`), sums);
  assert.equal(await place.run(`cd "${second}" && sha256sum --quiet -c SHA256SUMS`), "");
  const names = sums.trim().split("\n").map((line) => line.split("  ")[1]);
  assert.deepEqual(names, [
    "Containerfile",
    `env-event-stream-${version}.tgz`,
    `env-event-stream_${version}_amd64.deb`,
    `evs-${version}-linux-x64.tar.gz`,
    `evs-${version}.cdx.json`,
    "evs.rb",
    "install.sh",
  ]);
});

Deno.test("the .deb has its files where Debian has them, does the main job, and lintian finds no error", async () => {
  await using place = await openPlace();
  const deb = `${await smallRelease(place, "release")}/env-event-stream_${version}_amd64.deb`;
  const { code, stdout } = await place.sh(
    `lintian --allow-root --fail-on error --no-tag-display-limit "${deb}" 2>&1`,
  );
  assert.equal(code, 0, stdout);
  const root = `${place.folder}/root`;
  await place.run(`dpkg-deb -x "${deb}" "${root}"`);
  for (
    const [file, mode] of [
      ["usr/share/bash-completion/completions/evs", 0o644],
      ["usr/share/zsh/vendor-completions/_evs", 0o644],
      ["usr/share/fish/vendor_completions.d/evs.fish", 0o644],
      ["usr/share/doc/env-event-stream/copyright", 0o644],
      ["usr/share/doc/env-event-stream/docs/operating.md", 0o644],
      ["usr/share/man/man1/evs.1.gz", 0o644],
      ["usr/lib/evs/bin/evs", 0o755],
      ["usr/lib/evs/runtime/deno", 0o755],
    ] as const
  ) {
    assert.equal((await Deno.stat(`${root}/${file}`)).mode! & 0o7777, mode, file);
  }
  await Deno.copyFile(Deno.execPath(), `${root}/usr/lib/evs/runtime/deno`);
  for (const as of ["root", "an ordinary user"] as const) {
    await doMainJob(place, { bin: `${root}/usr/bin`, as });
  }
});

Deno.test("an ordinary user is told in words that the files of the package cannot be read", async () => {
  await using place = await openPlace();
  const { tree } = await program();
  await writeTree(tree, `${place.folder}/evs`);
  await Deno.chmod(`${place.folder}/evs/lib`, 0o700);
  const { code, stderr } = await place.sh(
    `cd / && ${USERS["an ordinary user"]} "${place.folder}/evs/bin/evs" status`,
  );
  assert.equal(code, 7);
  assert.match(stderr, /^evs: \S+\/lib is not there, or this user cannot read it\n {2}try: chmod /);
});
