/** Unusual paths: those that can work do, and for the others there is one sentence and no stack. */
import assert from "node:assert/strict";
import { Place } from "../helpers/shell.ts";

const WORKING: Record<string, string> = {
  "a socket in the root folder": 'export EVS_SOCKET="/evs-test-$$.sock"',
  "spaces, %, #, ? and a quote in the data dir": `export EVS_DATA_DIR="$PWD/a b%20#?'c"`,
  "a newline in the data dir": `export EVS_DATA_DIR="$PWD/a
b"`,
  "a data dir that begins with a dash": "export EVS_DATA_DIR=-d",
  "a data dir with a slash at its end": 'export EVS_DATA_DIR="$PWD/d/"',
  "a config file that is /dev/null": "export EVS_CONFIG=/dev/null",
};

for (const [what, script] of Object.entries(WORKING)) {
  Deno.test(`a daemon serves, tells its status and stops when there is ${what}`, async () => {
    await using place = await Place.make();
    const told = await place.run(`${script}
evs daemon start >/dev/null 2>&1
evs publish t n 1 >/dev/null
evs status | jq -c '[.health, .events]'
evs daemon restart >/dev/null 2>&1
evs daemon stop | jq -c .stopped 2>/dev/null`);
    assert.match(told, /^\["(?:ok|degraded)",1\]\ntrue\n$/);
  });
}

const REFUSED: Record<string, [script: string, words: RegExp]> = {
  "a comma in the data dir": ['export EVS_DATA_DIR="$PWD/a,b"', /has a comma in it/],
  "a comma in the socket": ['export EVS_SOCKET="$PWD/a,b.sock"', /has a comma in it/],
  "a comma in the config file's path": ['export EVS_CONFIG="$PWD/a,b.toml"', /has a comma in it/],
  "a comma behind a symbolic link": [
    'mkdir a,b; ln -s "$PWD/a,b" link; export EVS_DATA_DIR="$PWD/link/d"',
    /has a comma in it/,
  ],
  "a data dir that is not UTF-8": [
    `export EVS_DATA_DIR="$(printf '/tmp/\\377x')"`,
    /EVS_DATA_DIR is not UTF-8/,
  ],
  "a data dir of 3,000 characters": [
    `export EVS_DATA_DIR="/tmp/$(printf '%03000d' 0)"`,
    /has 3005 bytes/,
  ],
  "a data dir of 300 folders": [
    `export EVS_DATA_DIR="/tmp/$(printf '%0300d' 0 | sed 's#0#0123456789/#g')"`,
    /bytes, and SQLite takes/,
  ],
};

for (const [what, [script, words]] of Object.entries(REFUSED)) {
  Deno.test(`evs daemon start says in one sentence why not when there is ${what}`, async () => {
    await using place = await Place.make();
    const { code, stdout, stderr } = await place.sh(`${script}\nevs daemon start`);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, words);
    assert.match(stderr, /^evs: [^\n]+\n {2}try: [^\n]+\n$/);
  });
}

for (const [what, script] of [["a pipe", "mkfifo odd"], ["a folder", "mkdir odd"]] as const) {
  Deno.test(`evs daemon start refuses a config file that is ${what}, and waits for nothing`, async () => {
    await using place = await Place.make();
    const { code, stderr } = await place.sh(`${script}; EVS_CONFIG="$PWD/odd" evs daemon start`);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /odd is not a plain file/);
  });
}

Deno.test("evs refuses a config file that has no end", async () => {
  await using place = await Place.make();
  const { code, stderr } = await place.sh("EVS_CONFIG=/dev/zero evs daemon start");
  assert.equal(code, 2, stderr);
  assert.doesNotMatch(stderr, /at file:|bug in evs/);
});

Deno.test("evs with serves when TMPDIR has a comma in it", async () => {
  await using place = await Place.make();
  const told = await place.run('mkdir t,m; TMPDIR="$PWD/t,m" evs with -- evs topic list');
  assert.equal(told, "");
});

Deno.test("evs says so in a folder that was removed", async () => {
  await using place = await Place.make();
  const { code, stderr } = await place.sh("mkdir gone; cd gone; rmdir ../gone; evs --version");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /evs: the folder that this was typed in is gone/);
  assert.doesNotMatch(stderr, /Stack|os error/);
});

Deno.test("a flag that is needed is said to be missing when it is not there at all", async () => {
  await using place = await Place.make();
  const absent = await place.sh("evs consume t -- true");
  assert.equal(absent.code, 2);
  assert.match(absent.stderr, /^evs: --name is missing\n/);
  const bare = await place.sh("evs consume t --name");
  assert.equal(bare.code, 2);
  assert.match(bare.stderr, /^evs: --name needs a value\n/);
});

Deno.test("evs tail says that it waits for a topic when there is none of that name", async () => {
  await using place = await Place.make();
  await place.run("evs daemon start >/dev/null 2>&1; evs publish there n 1 >/dev/null");
  const said = await place.run(`evs tail nosuch there >/dev/null 2>said & tail=$!
until grep -q . said; do sleep 0.1; done
kill $tail; wait $tail || :
cat said`);
  assert.equal(said, "topic nosuch is not there yet; its events will be shown when it is\n");
  await place.run("evs daemon stop >/dev/null 2>&1");
});

Deno.test("bash offers files behind an @ and offsets behind --from", async () => {
  await using place = await Place.make();
  const { stdout, stderr } = await place.sh(`: >order.json
cat >tab.bash <<'END'
source <(evs completions bash)
tab() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _evs; echo "\${COMPREPLY[*]}"; }
tab evs publish t n @or
tab evs replay t --from ''
END
bash tab.bash`);
  const expected = /^@order\.json\nstart end -10 @-5m @-1h @-1d @\d{4}-\d\d-\d\d\n$/;
  assert.match(stdout, expected, stderr);
});
