/**
 * What a release has besides packages, with a real archive: the install script does the main job in
 * an empty home; Homebrew's formula is carried out by a small stand-in for Homebrew; the steps of
 * the Containerfile are carried out over the root of this machine, and its daemon and health check
 * run as they would in the container.
 */
import assert from "node:assert/strict";
import { buildArchive } from "../../packaging/archive.ts";
import { BASE_URL, distributionFiles, parseBaseUrl } from "../../packaging/distribution.ts";
import { npmTree } from "../../packaging/npm.ts";
import { sha256 } from "../../packaging/runtime.ts";
import { tarball } from "../../packaging/tar.ts";
import { bytesOf } from "../../packaging/tree.ts";
import { program } from "../helpers/built_program.ts";
import { type Instruction, instructionsOf, wordsOf } from "../helpers/containerfile.ts";
import { platform, version } from "../helpers/package_names.ts";
import { needTools, Place, project } from "../helpers/shell.ts";

needTools("curl", "dash", "ruby", "setpriv", "tar", "unshare");

interface Archive {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

let packed: Promise<Archive> | undefined;
/** Packing Deno takes seconds, so it is done once. */
const archive = () => packed ??= packArchive();

async function packArchive(): Promise<Archive> {
  const folder = await Deno.makeTempDir({ prefix: "evs-archive-" });
  const { tree } = await program();
  const path = await buildArchive(tree, { platform, folder, runtime: Deno.execPath() });
  const bytes = await Deno.readFile(path);
  await Deno.remove(folder, { recursive: true });
  return { name: path.slice(folder.length + 1), bytes };
}

/** A release with what one platform needs, in a place that an ordinary user may enter. */
async function release(place: Place): Promise<string> {
  await Deno.chmod(place.folder, 0o755);
  const folder = `${place.folder}/release`;
  await Deno.mkdir(folder);
  const { name, bytes } = await archive();
  await Deno.writeFile(`${folder}/${name}`, bytes);
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, `${await sha256(bytes)}  ${name}\n`);
  await Deno.copyFile(`${project}/packaging/install.sh`, `${folder}/install.sh`);
  return folder;
}

/** Publish, a dead letter, look at it, retry it, done. */
const MAIN_JOB = `evs daemon start 2>/dev/null >started
evs publish users user.created '{"userId":"u1"}' >/dev/null
evs consume users --name mailer --until-empty --max-retries 0 -- sh -c 'exit 1' 2>/dev/null || test $? = 6
evs dlq list | grep -q '"subscription":"mailer"'
evs dlq retry --all >/dev/null
evs consume users --name mailer --until-empty -- cat 2>/dev/null
evs docs dlq retry | head -1
evs daemon stop >/dev/null 2>&1
rm started`;

Deno.test("what the install script installs does the main job without a network, and is removed again", async () => {
  await using place = await Place.make();
  const folder = await release(place);
  const home = `${place.folder}/user`;
  await Deno.mkdir(home, { mode: 0o700 });
  await Deno.chown(home, 65534, 65534);
  await Deno.writeTextFile(
    `${place.folder}/job`,
    `set -eu
cd
dash "${folder}/install.sh" --yes >told
PATH=$HOME/.local/bin:$PATH
test "$(evs --version)" = "evs ${version}"
${MAIN_JOB}
# The links are where shells and man look.
for link in bash-completion/completions/evs zsh/site-functions/_evs man/man1/evs.1; do
  test -s ".local/share/$link"
done
dash "${folder}/install.sh" --uninstall --yes >>told
find .local -path .local/share/evs -prune -o ! -type d -print
find . -maxdepth 2 ! -type d
`,
  );
  const told = await place.run(
    `cd / && exec unshare -n setpriv --reuid=65534 --regid=65534 --clear-groups \\
env -i PATH=/usr/bin:/bin HOME="${home}" sh "${place.folder}/job"`,
  );
  assert.equal(
    told,
    `{"userId":"u1"}
EVS DLQ RETRY
./told
`,
  );
});

Deno.test("the install script downloads from an address, and says what it cannot get", async () => {
  await using place = await Place.make();
  const tree = new Map([
    ["bin/evs", { content: new TextEncoder().encode("#!/bin/sh\necho evs 9\n"), executable: true }],
    ["lib/cli.js", { content: new Uint8Array() }],
  ]);
  const name = `evs-9-${platform}`;
  const bytes = new Uint8Array(await tarball(tree, name));
  const files: Record<string, BodyInit> = {
    "/dl/SHA256SUMS": `${await sha256(bytes)}  ${name}.tar.gz\n`,
    [`/dl/${name}.tar.gz`]: bytes,
    "/half/SHA256SUMS": `${await sha256(bytes)}  ${name}.tar.gz\n`,
  };
  const asked: string[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    const body = files[pathname];
    return body === undefined ? new Response("", { status: 404 }) : new Response(body);
  });
  const from = `http://127.0.0.1:${server.addr.port}`;
  const run = (path: string) =>
    place.sh(`sh "${project}/packaging/install.sh" --yes --from "${from}${path}"`);
  const half = await run("/half");
  assert.equal(half.code, 1);
  assert.match(half.stderr, /install\.sh: evs-9-\S+\.tar\.gz cannot be downloaded from http:/);
  assert.match(
    (await run("/none")).stderr,
    /install\.sh: SHA256SUMS cannot be downloaded from http:/,
  );
  const { code, stderr } = await run("/dl/");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(await place.run('"$HOME/.local/bin/evs"'), "evs 9\n");
  assert.deepEqual(asked.slice(-2), ["/dl/SHA256SUMS", `/dl/${name}.tar.gz`]);
});

Deno.test("Homebrew's formula installs the npm package, whose evs passes the formula's test", async () => {
  await using place = await Place.make();
  const npm = await tarball(await npmTree((await program()).tree), "package");
  const download = `${place.folder}/env-event-stream-${version}.tgz`;
  await Deno.writeFile(download, npm);
  const files = await distributionFiles({ npm, baseUrl: "https://evs.example" });
  await Deno.writeFile(`${place.folder}/evs.rb`, await bytesOf(files.get("evs.rb")!));
  assert.equal(await place.run(`ruby -wc ../evs.rb`), "Syntax OK\n");
  const told = await place.run(
    `ruby "${project}/tests/helpers/homebrew.rb" ../evs.rb "${download}" "$HOME/prefix" "$EVS_DENO"`,
    { EVS_DENO: Deno.execPath() },
  );
  assert.equal(
    told,
    `service: bin/evs daemon run
keep alive: crashed
installed: ${version} from https://evs.example, with deno
`,
  );
  const installed = await place.run('cd "$HOME/prefix" && find -L . -size +0 -type f');
  for (
    const file of [
      "share/man/man1/evs-publish.1",
      "share/man/man5/evs-config.5",
      "share/man/man7/evs-contract.7",
      "etc/bash_completion.d/evs",
      "libexec/docs/operating.md",
    ]
  ) assert.ok(installed.includes(`./${file}\n`), file);
});

Deno.test("the formula has the address that is asked for, and no other is taken", async () => {
  const files = await distributionFiles({ npm: new Uint8Array([1]), baseUrl: BASE_URL });
  const formula = new TextDecoder().decode(await bytesOf(files.get("evs.rb")!));
  assert.match(formula, /^ {2}url "https:\/\/env-event-stream\.invalid\/env-event-stream-/m);
  assert.doesNotMatch(formula, /@[A-Z]/);
  assert.equal(parseBaseUrl("file:///srv/evs/"), "file:///srv/evs");
  for (const wrong of ["evs.example", 'https://a"b', "https://a#b", "https://a b", "ftp://a"]) {
    assert.throws(() => parseBaseUrl(wrong), /is no http, https or file address/);
  }
});

/** What a builder does for an instruction, as a script within the root. */
function buildStep({ name, rest }: Instruction): string[] {
  switch (name) {
    case "ADD": {
      const [from, to] = rest.split(" ");
      return [
        `tar -xzf /release/${from!.replace(/^(.*\*-)\$\{PLATFORM\}/, `$1${platform}`)} -C ${to}`,
      ];
    }
    case "RUN":
      return [rest];
    case "WORKDIR":
      return [`mkdir -p ${rest}`];
  }
  return [];
}

Deno.test("the Containerfile's steps make a container whose daemon works, without root, and whose health is seen", async () => {
  const file = await Deno.readTextFile(`${project}/packaging/Containerfile`);
  const instructions = instructionsOf(file);
  const rest = (name: string) =>
    instructions.filter((one) => one.name === name).map((one) => one.rest);
  assert.deepEqual(rest("FROM"), ["debian:bookworm-slim"]);
  assert.deepEqual([rest("USER"), rest("VOLUME")], [["evs"], ["/var/lib/evs"]]);
  const after = instructions.slice(instructions.findIndex(({ name }) => name === "USER"));
  assert.ok(!after.some(({ name }) => name === "RUN"), "nothing is built after root is left");
  const main = [...wordsOf(instructions, "ENTRYPOINT"), ...wordsOf(instructions, "CMD").slice(-2)];
  const check = JSON.parse(/CMD (\[.*\])$/.exec(rest("HEALTHCHECK")[0]!)![1]!) as string[];
  await using place = await Place.make();
  const folder = await release(place);
  const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(
    `${folder}/build`,
    `set -eu\n${instructions.flatMap(buildStep).join("\n")}\n`,
  );
  await Deno.writeTextFile(`${folder}/healthy`, `exec ${quoted(check)}\n`);
  await Deno.writeTextFile(
    `${folder}/job`,
    `set -eu
sh /release/healthy >/dev/null 2>&1 && exit 9
${quoted(main)} >/var/cache/evs/log 2>&1 &
daemon=$!
evs status --wait 60s >/dev/null
until grep -q '"ready":true' /var/cache/evs/log; do sleep 0.1; done
sh /release/healthy | sed -n 's/ -.*//p'
id -un
stat -c '%a %U %n' /run/evs/evs.sock /var/lib/evs
evs publish users user.created '{"userId":"u1"}' >/dev/null
evs consume users --name mailer --until-empty -- cat 2>/dev/null
kill -s ${rest("STOPSIGNAL")[0]!.replace("SIG", "")} "$daemon"
wait "$daemon" && echo stopped
sh /release/healthy >/dev/null 2>&1 || echo "unhealthy: $?"
find /opt /tmp /var /dev/shm -newer /release/job -user evs -type f 2>/dev/null | cut -d/ -f1-4 | sort -u
`,
  );
  const told = await place.run(
    `cd / && exec unshare -mnpf sh -eu -c '
mkdir "$0/layers" "$0/root"
mount -t tmpfs -o size=1g tmpfs "$0/layers"
mkdir "$0/layers/upper" "$0/layers/work"
mount -t overlay -o lowerdir=/,upperdir="$0/layers/upper",workdir="$0/layers/work" overlay "$0/root"
mkdir "$0/root/release"
mount --bind "$0/release" "$0/root/release"
mount -t proc proc "$0/root/proc"
mount -t tmpfs tmpfs "$0/root/run"
mount --bind /dev "$0/root/dev"
chroot "$0/root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  sh /release/build
exec chroot "$0/root" setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs \\
  env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/var/lib/evs ${rest("ENV")[0]} \\
  sh -c "cd ${rest("WORKDIR")[0]} && exec sh /release/job"' "${place.folder}"`,
  );
  assert.equal(
    told,
    `OK
evs
600 evs /run/evs/evs.sock
700 evs /var/lib/evs
{"userId":"u1"}
stopped
unhealthy: 1
/var/cache/evs
/var/lib/evs
`,
  );
});
