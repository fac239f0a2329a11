/** The `evs` command line as a whole: routing, flags, help and errors. */
import assert from "node:assert/strict";
import { verbs } from "../../commands/mod.ts";
import { readCommonOptions, splitArguments } from "../../commands/cli/arguments.ts";
import { isPlainPublish } from "../../commands/publisher/plain.ts";
import { VERSION } from "../../core/base/version.ts";
import { evs } from "../helpers/evs.ts";

const none = { at: { socket: "/nonexistent/evs.sock", dataDir: "/nonexistent" } };

Deno.test("VERSION is the version of deno.json", async () => {
  const config = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  assert.equal(VERSION, config.version);
});

Deno.test("readCommonOptions finds the common flags anywhere before --", () => {
  assert.deepEqual(readCommonOptions(["tail", "x", "--json", "--color", "never", "--quiet"]), {
    json: true,
    color: "never",
    quiet: true,
    verbose: false,
  });
  assert.equal(readCommonOptions(["consume", "x", "--", "jq", "--json"]).json, false);
  assert.equal(readCommonOptions(["--color=always"]).color, "always");
});

Deno.test("splitArguments takes -n5, empty values and values of several lines", () => {
  assert.deepEqual(splitArguments(["tail", "-n5", "--key=", "--where=a\nb", "--type=x"]), [
    "tail",
    "-n",
    "5",
    "--key",
    "",
    "--where",
    "a\nb",
    "--type=x",
  ]);
  assert.deepEqual(splitArguments(["consume", "--", "head", "-n5"]), [
    "consume",
    "--",
    "head",
    "-n5",
  ]);
});

Deno.test("isPlainPublish is true for three plain words only", () => {
  assert.equal(isPlainPublish(["publish", "t", "x", "{}"]), true);
  for (
    const words of ["t x -", "t x @f", "t x", "t -q 1", " x 1", "t  1"].map((w) => w.split(" "))
  ) {
    assert.equal(isPlainPublish(["publish", ...words]), false, words.join(" "));
  }
});

Deno.test("evs --help names every verb", async () => {
  const { code, stdout } = await evs(["--help"]);
  assert.equal(code, 0);
  for (const [name, { brief }] of verbs) {
    assert.match(stdout, new RegExp(`^  ${name} +${brief}$`, "m"));
  }
});

Deno.test("every verb has help with examples, and help VERB is the same", async () => {
  for (const name of verbs.keys()) {
    const { code, stdout, stderr } = await evs([name, "--help"]);
    assert.equal(code, 0, `${name}: ${stderr}`);
    assert.match(stdout, /EXAMPLES|COMMANDS/, name);
  }
  assert.deepEqual(await evs(["help", "tail"]), await evs(["tail", "--help"]));
});

Deno.test("a wrong word is told with the nearest right one and exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["publsh"], /`evs publsh` is no command; did you mean `publish`\?\n {2}try: evs --help/],
    [["topic", "lst"], /`evs topic lst` is no command; did you mean `list`\?/],
    [["constructor"], /`evs constructor` is no command\n/],
    [["start"], /`evs start` is no command; did you mean `daemon start`\?\n/],
    [["purge"], /`evs purge` is no command; did you mean `dlq purge`\?\n/],
    [
      ["list"],
      /did you mean `scheduled list` or `spool list` or `dlq list` or `topic list` or `subscription list` or `schema list` or `node list` or `context list`\?/,
    ],
    [
      ["--socket", "x", "status"],
      /flags come after the command, and --socket came first\n {2}try: evs COMMAND --socket \.\.\.\n/,
    ],
    [["--quiet"], /flags come after the command, and --quiet came first\n/],
    [
      ["dlq", "--json"],
      /^\{"error":\{"code":"argument\/usage","message":"flags come after the command, and --json came first","hint":"evs dlq COMMAND --json"\}\}\n$/,
    ],
    [
      ["dlq", "jobs", "--data-dir=/x", "list"],
      /flags come after the command, and --data-dir came first\n {2}try: evs dlq jobs COMMAND --data-dir \.\.\.\n/,
    ],
    [
      ["dlq", "--subscription", "s"],
      /flags come after the command, and --subscription came first\n {2}try: evs dlq --help names the commands\n/,
    ],
    [
      ["dlq", "jobs", "lst"],
      /`evs dlq jobs lst` is no command; did you mean `list`\?\n {2}try: evs dlq jobs --help\n/,
    ],
    [["restart"], /`evs restart` is no command; did you mean `daemon restart`\?\n/],
    [["--verison"], /`evs --verison` is no command; did you mean `--version`\?\n/],
    [["-V"], /`evs -V` is no command; did you mean `--version`\?\n/],
    [["topic", "constructor"], /`evs topic constructor` is no command\n/],
    [["tail", "x", "--tpye", "y"], /there is no flag --tpye; did you mean --type\?/],
    [["tail", "x", "--constructor"], /there is no flag --constructor\n/],
    [["publish", "t", "x", "--ndjson", "--on-error", "skp"], /--on-error is stop, skip, not "skp"/],
    [["publish", "t", "x", "--ndjson", "--skip", "few"], /--skip cannot be "few": a whole number/],
    [["tail"], /TOPIC is missing/],
    [["get", "t", "1", "2"], /"2" is one argument too many: 2 are taken/],
    [["expect", "t"], /--timeout is missing/],
    [["expect", "t", "--timeout", "5"], /did you mean 5s|a number with a unit/],
    [["publish", "t", "x"], /a PAYLOAD is needed/],
    [["publish", "t"], /a TYPE is needed/],
    [["publish", "", "x", "{}"], /TOPIC cannot be "": it is empty\n {2}try: evs publish --help/],
    [["publish", "", "x", "--ndjson"], /TOPIC cannot be "": it is empty\n/],
    [["publish", "t", "", "{}"], /TYPE cannot be "": it is empty\n/],
    [["tail", ""], /TOPIC cannot be "": it is empty\n/],
    [["get", "t", ""], /SEQ\|ID cannot be "": it is empty\n/],
    [["topic", "remove", ""], /TOPIC cannot be "": it is empty\n/],
    [["subscription", "show", ""], /NAME cannot be "": it is empty\n/],
    [["consume", "t", "--name", "", "--", "true"], /--name cannot be "": it is empty\n/],
    [["dlq", "retry", ""], /ID cannot be "": it is empty\n/],
    [["dlq", "list", "--subscription="], /--subscription cannot be "": it is empty\n/],
    [["backup", ""], /FILE cannot be "": it is empty\n/],
    [["publish", "t", "x", "--envelope"], /--envelope takes no TYPE/],
    [["publish", "t", "x", "1", "--ndjson"], /a PAYLOAD does not go with --ndjson/],
    [["publish", "t", "x", "1", "--id-prefix", "p"], /--id-prefix goes with --ndjson/],
    [["publish", "t", "x", "1", "--meta", "x"], /--meta takes NAME=VALUE/],
    [["publish", "t", "x", "@/nonexistent/file"], /the file \/nonexistent\/file is not there/],
    [["publish", "t", "x", "@/"], /the file \/ cannot be read: is a directory\n/],
    [["schema", "check", "x", "/"], /cannot read \/: is a directory\n/],
    [
      ["dlq", "retry", "--all", "--topic", "t"],
      /--all goes without ids and filters\n {2}try: leave --all out: the filters say which\n/,
    ],
    [["dlq", "remove", "--all", "an-id"], /--all goes without ids and filters\n/],
    [["version"], /`evs version` is no command; did you mean `--version`\?\n/],
    [["tail", "x", "-n", "3", "--from", "start"], /-n and --from exclude each other/],
    [["replay", "x", "--into", "x"], /cannot replay x into itself/],
    [["replay", "x", "--speed", "fast"], /a speed is 1x, 10x/],
    [["topic", "update", "x"], /nothing to change/],
    [["dlq", "list", "--before", "1x"], /^evs: --before is a number with a unit[^\n]*, not "1x"\n/],
    [
      ["schema", "show", "x", "--version"],
      /--version needs a value; the version of evs itself: evs --version\n/,
    ],
  ];
  for (const [args, pattern] of cases) {
    const { code, stdout, stderr } = await evs(args, none);
    assert.match(stderr, pattern);
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.equal(stdout, "");
  }
});

Deno.test("without a daemon every verb says in one line where it looked, and exits with 5", async () => {
  for (
    const args of [
      ["publish", "t", "x", "1"],
      ["publish", "t", "x", "--ndjson"],
      ["tail", "t"],
      ["replay", "t"],
      ["get", "t", "1"],
      ["expect", "t", "--timeout", "1m"],
      ["topic", "list"],
      ["status"],
    ]
  ) {
    const { code, stdout, stderr } = await evs(args, none);
    assert.equal(
      stderr,
      "evs: no daemon answers at /nonexistent/evs.sock; start one: evs daemon start\n",
      args.join(" "),
    );
    assert.equal(code, 5);
    assert.equal(stdout, "");
  }
});

Deno.test("with --json an error is a JSON object on stderr", async () => {
  const { code, stderr } = await evs(["publish", "t", "x", "1", "--json"], none);
  assert.equal(code, 5);
  assert.deepEqual(JSON.parse(stderr), {
    error: {
      code: "daemon/not-running",
      message: "no daemon answers at /nonexistent/evs.sock",
      hint: "evs daemon start",
      details: { socket: "/nonexistent/evs.sock" },
    },
  });
});
