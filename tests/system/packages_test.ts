/**
 * The npm package and the archive, installed and unpacked as a user does, in a system of their own:
 * each does the main job as root and as an ordinary user, with an empty home and without a network.
 * Building a release twice gives equal bytes. The .deb: debian_package_test.ts.
 */
import assert from "node:assert/strict";
import { archiveName, buildArchive } from "../../packaging/archive.ts";
import { npmTree } from "../../packaging/npm.ts";
import { buildRelease } from "../../packaging/release.ts";
import { runtimeFile } from "../../packaging/runtime.ts";
import { writeTree } from "../../packaging/tree.ts";
import { BareRoot } from "../helpers/bare_root.ts";
import { program } from "../helpers/built_program.ts";
import { doMainJob } from "../helpers/main_job.ts";
import { platform, version } from "../helpers/package_names.ts";
import { needTools, Place } from "../helpers/shell.ts";

needTools("npm", "tar", "dpkg-deb", "sha256sum");

/** Every file below a folder of the root, with its size, time and mode. */
async function listing(root: BareRoot, folder: string): Promise<string> {
  return await root.outside(`find "$ROOT${folder}" -printf '%P %s %T@ %m\\n' | sort`);
}

/** The environment in which npm reaches its registry, with an empty home. */
function npmEnv(home: string): Record<string, string> {
  const own = Deno.env.get("HOME") ?? "/root";
  return {
    ...Deno.env.toObject(),
    HOME: home,
    npm_config_cache: Deno.env.get("npm_config_cache") ?? `${own}/.npm`,
    npm_config_userconfig: Deno.env.get("npm_config_userconfig") ?? `${own}/.npmrc`,
    npm_config_prefer_offline: "true",
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_update_notifier: "false",
  };
}

/** Packs the npm package into the root, and runs a script there with npm at hand. */
async function withPackage(root: BareRoot, script: string): Promise<void> {
  const { tree } = await program();
  await writeTree(await npmTree(tree), `${root.folder}/npm`);
  await root.outside(
    `umask 022
cd "$ROOT"
npm pack --silent ./npm >/dev/null
${script}`,
    npmEnv(`${root.folder}/root`),
  );
}

Deno.test("npm install -g of the packed package does the main job in a system without Node", async () => {
  await using root = await BareRoot.make();
  await withPackage(
    root,
    `npm install -g --silent --prefix "$ROOT/usr/local" ./env-event-stream-${version}.tgz
rm -r npm env-event-stream-*.tgz`,
  );
  const installed = "/usr/local/lib/node_modules/env-event-stream";
  await Deno.stat(`${root.folder}/usr/local/share/man/man1/evs.1`);
  const before = await listing(root, installed);
  assert.match(before, /node_modules\/@deno\/linux-\w+-glibc\/deno /, "npm installed the runtime");
  await doMainJob(root);
  assert.equal(await listing(root, installed), before, "nothing was written into it");
});

/** What an ordinary user types to install the package `$TGZ` below `$TO`. */
const MANAGERS = {
  npm: { install: 'npm install -g --silent --prefix "$TO" "$TGZ"', bin: "bin" },
  pnpm: {
    install: 'PNPM_HOME="$TO" PATH="$TO:$PATH" pnpm add -g --silent --store-dir "$TO/store" "$TGZ"',
    bin: "",
  },
  yarn: {
    install: 'yarn global add --silent --prefix "$TO" --global-folder "$TO/global" "file:$TGZ"',
    bin: "bin",
  },
};

Deno.test("npm, pnpm and yarn install the package for an ordinary user, and it does the main job", async (t) => {
  await using root = await BareRoot.make();
  await withPackage(
    root,
    `npm install --silent --prefix "$ROOT/../managers" pnpm@10.34.9 yarn@1.22.22
mkdir "$ROOT/../user"
chown --reference="$ROOT/home/ada" "$ROOT/../user" "$ROOT/opt"`,
  );
  for (const [name, { install, bin }] of Object.entries(MANAGERS)) {
    await t.step(name, async () => {
      await root.outside(
        `umask 022
export HOME="$(cd "$ROOT/../user" && pwd)" TGZ="$ROOT/env-event-stream-${version}.tgz" TO="$ROOT/opt/${name}"
export npm_config_cache="$HOME/.npm" PATH="$ROOT/../managers/node_modules/.bin:$PATH"
unset npm_config_userconfig
cd "$HOME"
exec setpriv --reuid="$(stat -c %u "$ROOT/home/ada")" --regid="$(stat -c %g "$ROOT/home/ada")" \\
  --clear-groups sh -eu -c "$INSTALL"`,
        { ...npmEnv(""), INSTALL: install },
      );
      await doMainJob(root, { path: `/opt/${name}/${bin}` });
    });
  }
});

Deno.test("the archive does the main job wherever it is unpacked, on a read-only file system", async (t) => {
  await using root = await BareRoot.make();
  const { tree } = await program();
  const { folder } = root;
  const archive = await buildArchive(tree, { platform, folder, runtime: Deno.execPath() });
  const unpacked = `/opt/un packed/${await archiveName(platform)}`;
  await root.outside(
    `umask 022; mkdir "$ROOT/opt/un packed"; tar -xzf "${archive}" -C "$ROOT/opt/un packed"`,
  );
  const files = await listing(root, unpacked);
  for (
    const file of [
      "LICENSE",
      "THIRD_PARTY_LICENSES",
      "licenses/deno.txt",
      "README.md",
      "docs/operating.md",
      "man/man1/evs-publish.1",
      "completions/evs.bash",
      "completions/_evs",
      "completions/evs.fish",
    ]
  ) {
    assert.ok(files.includes(`\n${file} `), file);
  }
  await t.step("it does the main job, and nothing can be written into its folder", async () => {
    await doMainJob(root, { path: `${unpacked}/bin`, readOnly: unpacked });
  });
  await t.step(
    "evs status shows both versions when another one comes first on the PATH",
    async () => {
      const job = `mkdir -p "$HOME/old"
cp -r "${unpacked}/bin" "${unpacked}/lib" "$HOME/old"
ln -s "${unpacked}/runtime" "$HOME/old/runtime"
sed -i 's/"${version}"/"0.0.9"/' "$HOME"/old/lib/*.js
PATH="${unpacked}/bin:$PATH"
evs daemon start >/dev/null 2>&1
PATH="$HOME/old/bin:$PATH"
evs --version
evs status | grep -o '"version":"[^"]*"\\|"installed":"[^"]*"'
evs publish t n 1 | grep -o '"seq":1'
evs daemon stop >/dev/null 2>&1`;
      assert.equal(
        await root.run(job, { as: "bob" }),
        `evs 0.0.9\n"version":"${version}"\n"installed":"0.0.9"\n"seq":1\n`,
      );
    },
  );
  await t.step("an ordinary user is told when its files cannot be read", async () => {
    await root.run(`chmod 700 "${unpacked}/lib"`);
    const { code, stderr } = await root.sh(`"${unpacked}/bin/evs" status`, { as: "ada" });
    assert.equal(code, 7);
    assert.equal(
      stderr,
      `evs: ${unpacked}/lib is not there, or this user cannot read it
  try: chmod -R a+rX '${unpacked}', as the user who installed it\n`,
    );
  });
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
  await using place = await Place.make();
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

/** A system with busybox and nothing else, as Alpine is without its C library. */
const NO_GLIBC = `mkdir -p root/bin root/usr/bin root/tmp root/dev
: >root/dev/null
cp "$(command -v busybox)" root/bin/
chroot root /bin/busybox --install -s /bin`;

Deno.test("an archive says what to type on a system without glibc, and takes its Deno", async () => {
  needTools("busybox", "chroot");
  await using place = await Place.make();
  await place.run(NO_GLIBC);
  const root = `${place.folder}/work/root`;
  const { tree } = await program();
  await writeTree(
    new Map([...tree, [runtimeFile(platform), {
      content: { path: Deno.execPath() },
      executable: true,
    }]]),
    `${root}/evs`,
  );
  const evs = "chroot root /bin/env -i PATH=/usr/bin:/bin HOME=/tmp /evs/bin/evs status";
  const { code, stderr } = await place.sh(evs);
  assert.equal(code, 70);
  assert.equal(
    stderr,
    "evs: this system has no glibc, which the Deno that belongs to evs needs (Alpine has musl)\n" +
      "  try: apk add deno, or a system with glibc\n",
  );
  await Deno.writeTextFile(
    `${root}/usr/bin/deno`,
    `#!/bin/sh\nif test "$1" = eval; then echo /usr/bin/deno; else echo "musl's: $*"; fi\n`,
    { mode: 0o755 },
  );
  assert.match(
    await place.run(evs),
    /^musl's: run [^\n]*\/evs\/bin\/\.\.\/lib\/cli\.js status\n$/,
  );
});
