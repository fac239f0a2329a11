/**
 * `evs service` without a service manager: the units that it prints, writes and removes, and what
 * happens when one is executed as systemd would.
 */
import assert from "node:assert/strict";
import { exists } from "../../core/base/if_there.ts";
import { Place, project } from "../helpers/shell.ts";
import { UnitFile } from "../helpers/unit_file.ts";

const INSTALL = "evs service install daemon --no-start";

/** Where units of a place are written. */
function unitPath(place: Place, name: string): string {
  return `${place.folder}/home/.config/systemd/user/${name}`;
}

/** Starts what a unit describes, with the environment that it sets and no other. */
function execute(unit: UnitFile): Deno.ChildProcess {
  const [program, ...args] = unit.command;
  return new Deno.Command(program!, {
    args,
    cwd: unit.all("Service.WorkingDirectory").length > 0 ? unit.folder : "/",
    env: { HOME: "/nonexistent", ...unit.environment },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Words that a shell, systemd or a careless printer would change. */
const WORDS = [
  "a b",
  "%s $HOME ${HOME} %%",
  `say "it's"`,
  "back\\slash\\n",
  ";",
  "",
  " line\nfeed\ttab",
  "#é€😀",
  "--force",
];

Deno.test("the units of evs service run a daemon and a consumer with exactly their words when they are executed", async () => {
  await using place = await Place.make();
  // A folder with what is special in a unit.
  const folder = `${place.folder}/work/50% of $HOME "x" \\y`;
  await Deno.mkdir(folder);
  await Deno.writeTextFile(
    `${folder}/charge.sh`,
    `#!/bin/sh
{ pwd; for word; do printf '<%s>' "$word"; done; echo; cat; } >>out.part
mv out.part out\n`,
    { mode: 0o755 },
  );
  const quoted = WORDS.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const { EVS_DENO = "", DENO_DIR = "" } = place.env;
  const env = { EVS_DATA_DIR: `${place.folder}/data 100%`, EVS_DENO, DENO_DIR };
  const [daemonText, consumerText] = (await place.run(
    `evs service print daemon --durability os --quiet
echo ==
cd '${folder}'
evs service print consume orders --name billing --timeout 1m --quiet -- ./charge.sh ${quoted}`,
    env,
  )).split("==\n");
  const daemon = execute(new UnitFile(daemonText!));
  const consumerUnit = new UnitFile(consumerText!);
  assert.deepEqual(consumerUnit.command, [
    `${project}/bin/evs`,
    ..."consume orders --name billing --timeout 1m --no-resume -- ./charge.sh".split(" "),
    ...WORDS,
  ]);
  await place.run(`evs status --wait 60s >/dev/null`, env);
  const consumer = execute(consumerUnit);
  await place.run(`evs publish orders order.placed '{"n":1}'`, env);
  await place.run(`until test -e '${folder}/out'; do sleep 0.05; done`);
  assert.equal(
    await Deno.readTextFile(`${folder}/out`),
    `${folder}\n${WORDS.map((word) => `<${word}>`).join("")}\n{"n":1}\n`,
  );
  // As systemd ends them: a signal to the main process.
  consumer.kill("SIGTERM");
  assert.equal((await consumer.output()).code, 0);
  daemon.kill("SIGTERM");
  assert.equal((await daemon.output()).code, 0);
});

Deno.test("evs service print shows the daemon's unit and what install would do, and writes nothing", async () => {
  await using place = await Place.make();
  const { stdout, stderr } = await place.sh("evs service print");
  const unit = new UnitFile(stdout);
  const path = unitPath(place, "evs.service");
  assert.equal(stderr, `evs service install would write ${path}\n`);
  assert.equal(exists(path), false);
  assert.equal(unit.one("Service.Type"), "notify");
  assert.equal(unit.one("Service.Restart"), "on-failure");
  assert.equal(unit.environment.EVS_SOCKET, `${place.folder}/run/evs/evs.sock`);
  const explicit = await place.run("evs service print daemon --user --quiet");
  assert.equal(explicit, stdout);
  await place.run(INSTALL);
  assert.equal(await Deno.readTextFile(path), stdout, "what was printed is what is installed");
});

Deno.test("evs service install replaces its own unit, and one that was edited only when it is forced to", async () => {
  await using place = await Place.make();
  const path = unitPath(place, "evs.service");
  await place.run(INSTALL);
  const first = await Deno.readTextFile(path);
  const again = await place.sh(INSTALL);
  assert.deepEqual(JSON.parse(again.stdout).written, []);
  await place.run(`${INSTALL} --store file`);
  assert.match(await Deno.readTextFile(path), /daemon run --store file$/m);
  await Deno.writeTextFile(path, `${first}Nice=5\n`);
  const refused = await place.sh(INSTALL);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /evs\.service was edited since it was installed; nothing was/);
  assert.match(refused.stderr, /try: evs service install daemon --no-start --force\n/);
  assert.match((await place.sh("evs service print")).stderr, /would not replace without --force/);
  assert.equal((await place.sh("evs service remove daemon")).code, 3);
  assert.equal(await Deno.readTextFile(path), `${first}Nice=5\n`, "it is as it was");
  await place.run(`${INSTALL} --force`);
  assert.equal(await Deno.readTextFile(path), first);
});

for (
  const [what, make] of [
    ["a unit of somebody else", (path: string) => Deno.writeTextFileSync(path, "[Unit]\n")],
    ["a masked unit", (path: string) => Deno.symlinkSync("/dev/null", path)],
  ] as const
) {
  Deno.test(`evs service install and remove leave ${what} alone`, async () => {
    await using place = await Place.make();
    const path = unitPath(place, "evs.service");
    await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
    make(path);
    const before = Deno.lstatSync(path);
    for (const line of [INSTALL, "evs service remove daemon"]) {
      const { code, stderr } = await place.sh(line);
      assert.equal(code, 3);
      assert.match(stderr, /is there and was not made by evs service; nothing was changed/);
    }
    assert.equal(Deno.lstatSync(path).ino, before.ino);
  });
}

Deno.test("evs service remove removes what install made and nothing else, and says what it leaves", async () => {
  await using place = await Place.make();
  await place.run(`${INSTALL}
evs service install consume orders --name billing --no-start -- true
evs service install consume orders --name audit --no-start -- true
mkdir "$HOME/.config/systemd/user/evs.service.d"`);
  const removed = await place.sh("evs service remove consume billing");
  assert.equal(removed.code, 0, removed.stderr);
  assert.match(removed.stderr, /leaves the subscription billing, as it is/);
  const { code, stderr } = await place.sh("evs service remove");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /leaves the data in .*\/home\/\.local\/share\/evs\n/);
  assert.match(stderr, /leaves evs-consume-audit\.service, which does not run without/);
  assert.match(stderr, /leaves .*evs\.service\.d\n/);
  const left = [...Deno.readDirSync(unitPath(place, ""))].map(({ name }) => name).sort();
  assert.deepEqual(left, ["evs-consume-audit.service", "evs.service.d"]);
  const twice = await place.sh("evs service remove consume billing");
  assert.equal(twice.code, 1);
  assert.match(twice.stderr, /evs-consume-billing\.service is not installed: there is no /);
});

/** Lines that cannot become a service. */
const REFUSED: [line: string, words: RegExp][] = [
  ["install consume orders --name billing --no-start -- true", /the daemon is no service yet/],
  ["print alert --dlq 5 -- true", /begins with > or >=, as in '>0'/],
  ["print alert --dlq '>0'", /no command to run when a condition begins and ends/],
  ["print alert --down off -- true", /no condition to watch/],
  ["print alert --dlq '>0' --once -- true", /--once ends after one look/],
  ["print alert --dlq '>0' --name a/b -- true", /--name cannot be "a\/b": a name is 1 to 64/],
  ["print alert --dlq '>0' --as ada -- true", /--as is for --system/],
  ["print consume orders --name billing", /no command to run for each event/],
  ["print consume --name billing -- true", /TOPIC is missing/],
  ["print consume orders -- true", /--name is missing/],
  ["print consume orders --name a/b -- true", /the subscription name "a\/b" has "\/"/],
  ["print consume orders --name b --until-empty -- true", /--until-empty ends then/],
  ["print consume orders --name b --as ada -- true", /--as is for --system/],
  ["print consume orders --name b --system --as 'a b' -- true", /is not the name of a user/],
  ["print daemon --user --system", /--user and --system exclude each other/],
  ["print daemon --durability never", /durability/],
  ["print nothing", /one argument too many/],
];

Deno.test("evs service refuses in words what cannot become a service", async () => {
  await using place = await Place.make();
  for (const [line, words] of REFUSED) {
    const { code, stdout, stderr } = await place.sh(`evs service ${line}`);
    assert.match(stderr, words, line);
    assert.ok(code === 2 || code === 3, `${line} ended with ${code}`);
    assert.equal(stdout, "", line);
  }
  assert.equal(exists(unitPath(place, "")), false);
});

Deno.test("evs service print --launchd prints a property list with the same words", async () => {
  await using place = await Place.make();
  const { stdout, stderr } = await place.sh(
    `evs service print consume orders --name billing --launchd -- ./charge.sh 'a <b> & "c"'`,
  );
  assert.match(stderr, /nobody has run this on macOS yet/);
  const [, list = ""] = /<array>([^]*)<\/array>/.exec(stdout) ?? [];
  const words = [...list.matchAll(/<string>([^]*?)<\/string>/g)].map(([, text]) =>
    text!.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&")
  );
  assert.deepEqual(words, [
    `${project}/bin/evs`,
    ..."consume orders --name billing --no-resume -- ./charge.sh".split(" "),
    'a <b> & "c"',
  ]);
  const bad = await place.sh(`evs service print consume o --name b --launchd -- "$(printf '\\1')"`);
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /a property list cannot hold/);
});
