/**
 * Every example in the help of every command runs: in bash, with a daemon of its own, in the order
 * of the help. What an example needs (events, files, an answer at a terminal) stands here beside it.
 */
import assert from "node:assert/strict";
import { EXAMPLES } from "../../commands/cli/help.ts";
import { commandsOf, commandTable } from "../../commands/manual/command_table.ts";
import { verbs } from "../../commands/mod.ts";
import { startPostgres } from "../helpers/postgres.ts";
import { PRINTED, runExample, type Stage } from "../helpers/run_example.ts";
import { needTools, Place } from "../helpers/shell.ts";

/** Commands whose examples share a place, and how that is furnished. */
interface Scene {
  verbs: readonly string[];
  setUp: string;
  /** It needs a PostgreSQL, whose URL is in DATABASE. */
  database?: true;
  /** What an example needs, by its line without `evs`. */
  stages: Record<string, Stage>;
}

const YES = "y\n";
/** A program that stands for another machine: it runs the command in a folder of that machine. */
const OTHER_MACHINE = `mkdir -p other bin
cat >bin/ssh <<'SSH'
#!/bin/sh
shift
cd other && exec env EVS_DATA_DIR="$PWD/data" EVS_SOCKET="$PWD/evs.sock" sh -c "$*"
SSH
chmod +x bin/ssh
`;

const events: Scene = {
  verbs: [
    "publish",
    "get",
    "tail",
    "replay",
    "expect",
    "redact",
    "dashboard",
    "status",
    "audit",
    "top",
    "history",
    "doctor",
    "backup",
    "export",
  ],
  setUp: `${OTHER_MACHINE}
evs daemon start
seq 300 | jq -c '{userId: "u\\(.)", username: "name \\(.)"}' |
  evs publish users user.created --ndjson
evs publish users user.created '{"userId":"one"}' --id 0199f3a2-7c11-7d4e-a1b2-3c4d5e6f7081
seq 7 | jq -c '{id: "o1"}' | evs publish orders order.paid --ndjson --key o1
evs publish orders order.failed '{}'
evs publish payments payment.made '{}'
evs publish log line '{"status":500,"host":"a"}'
echo '{"userId":"u2"}' >user.json
echo '{"status":200,"host":"b"}' >log.ndjson
printf 'up\\nGET / 200\\n' >app.log
evs export >events.ndjson
echo '{"topic":"audit","type":"transfer","payload":7}' >transfer.ndjson
evs replay orders --cloudevents >events.json
`,
  stages: {
    "tail users": { until: PRINTED },
    "tail 'orders.*' -n 0 --type order.paid": {
      meanwhile: "evs publish orders.eu order.paid '{}'",
      until: PRINTED,
    },
    [String.raw`tail orders --format '%T %k %{/total}\n'`]: { until: PRINTED },
    "tail log --where 'payload.status >= 500' | jq .payload": { until: PRINTED },
    "expect users --timeout 5s": { attempts: 5 },
    "expect orders --where 'payload.id == \"o1\"' --from end --timeout 10s": {
      meanwhile: `evs publish orders order.paid '{"id":"o1"}'`,
      attempts: 5,
    },
    "redact users 42 --reason 'a password'": { answer: YES },
    "dashboard --open": { before: 'ln -sf "$(command -v true)" bin/xdg-open', until: PRINTED },
    "dashboard --read-only --listen 127.0.0.1:0": { until: PRINTED },
    "dashboard --token-file scraper-token": { until: PRINTED },
    // jq -e says with 4 that there was nothing to print, and that is well.
    "doctor --json | jq -e 'select(.level == \"warning\")'": { codes: [0, 4] },
    "backup nightly.tar --force": { before: "echo yesterday >nightly.tar" },
    // There is no server of that name here.
    "backup events.tar --store postgres://evs@db/events": { codes: [7] },
    "export | ssh other evs import": {
      before: "ssh other evs daemon start",
    },
  },
};

const consumers: Scene = {
  verbs: ["consume", "subscription"],
  setUp: `evs daemon start
evs publish users user.created '{"email":"one@example.com"}'
evs publish orders.eu order.placed '{}'
evs publish logs line '{}'
for name in send-mail.sh send-sms.sh bill bulk-index; do printf '#!/bin/sh\\ncat\\n' >$name; done
chmod +x send-mail.sh send-sms.sh bill bulk-index
evs publish mails mail.asked '{}' --id o-17
`,
  stages: {
    "consume users --name mailer -- ./send-mail.sh": { until: PRINTED },
    "consume 'orders.**' --name billing --concurrency 4 --timeout 30s --stdin event -- ./bill": {
      until: PRINTED,
    },
    "consume logs --name index --batch 500 -- ./bulk-index": { until: PRINTED },
    "consume users --name sms --rate 10/s -- ./send-sms.sh": { until: PRINTED },
    "consume logs --name notices --stdin text -- ./send-mail.sh": { until: PRINTED },
    // Moving it to the end has given up what waited.
    "subscription retries mailer": {
      before: `evs subscription remove mailer --yes
evs consume mails --name mailer --max 1 --backoff fixed:1h -- sh -c 'exit 75'`,
    },
    // It is due now; a consumer takes it, and it waits again.
    "subscription retries mailer --now o-17": {
      before: "evs consume mails --name mailer --max 1 --backoff fixed:1h -- sh -c 'exit 75'",
    },
  },
};

const REMINDER = "evs publish carts cart.reminder '{}' --id remind-c1 --delay 30m";

const later: Scene = {
  verbs: ["scheduled"],
  setUp: `evs daemon start
${REMINDER}
`,
  stages: {
    "scheduled cancel remind-c1": {},
    "scheduled cancel remind-c1 --topic carts": { before: REMINDER },
  },
};

/** An event that a daemon has refused. */
const REFUSED = `evs publish orders order.paid '{}' --spool
path=$(evs spool list | jq -r 'select(.state == "waiting").path' | tail -n 1)
mkdir -p "\${path%/*}/refused"
mv "$path" "\${path%/*}/refused/000000000001-1-100-01b60220.spool"`;

const spool: Scene = {
  verbs: ["spool"],
  setUp: REFUSED,
  stages: {
    "spool retry --refused": { before: REFUSED },
    "spool remove 01b60220 --yes": { before: REFUSED },
    "spool remove --refused --yes": { before: REFUSED },
  },
};

const LETTERS = "evs dlq import letters.ndjson";

/** Jobs have the numbers of their starts; the twelfth has most of its work before it. */
const TWELFTH_JOB = `while ! evs dlq jobs list | grep -q -e '-11"'; do
  ${LETTERS}
  evs dlq purge --yes
done
${LETTERS}
evs dlq retry --all --rate 1/h --detach
`;

const deadLetters: Scene = {
  verbs: ["dlq", "check", "alert"],
  setUp: `evs daemon start
evs publish orders order.placed '{"total":"12"}' --id o-17
evs publish orders order.placed '{"total":"13"}'
evs consume orders --name mailer2 --until-empty -- true
evs consume orders --name mailer --until-empty -- \\
  sh -c 'echo "timeout: connect to 10.0.0.1:25 timed out" >&2; exit 65' || test $? = 6
evs dlq export >letters.ndjson
test "$(wc -l <letters.ndjson)" = 2
printf '#!/bin/sh\\nsed -i "s/[0-9]/9&/" "$1"\\n' >fix
printf '#!/bin/sh\\ncat\\n' >tell.sh
chmod +x fix tell.sh
`,
  stages: {
    // An example before it has retried them.
    "dlq show o-17": { before: LETTERS },
    "dlq retry mailer:o-17 --topic orders": { before: LETTERS },
    "dlq retry --subscription mailer --reason timeout": { before: LETTERS },
    "dlq retry --group 0ggcxb": { before: LETTERS },
    "dlq retry --all --rate 10/s": { before: LETTERS },
    "dlq retry --all --rate 10/s --detach": { before: LETTERS },
    "dlq jobs show retry-12": { before: TWELFTH_JOB },
    "dlq edit mailer:o-17": { before: LETTERS, answer: "", env: { EDITOR: "./fix" } },
    // A letter whose edited copy is on its way is not edited again.
    "dlq edit o-17 --to mailer2": {
      before: `evs consume orders --name mailer --until-empty -- true\n${LETTERS}`,
      answer: "",
      env: { EDITOR: "./fix" },
    },
    "dlq remove o-17": { before: LETTERS, answer: YES },
    "dlq remove --subscription mailer --yes": { before: LETTERS },
    "dlq purge": { before: LETTERS, answer: YES },
    "dlq purge --topic users --yes": { before: LETTERS },
    "dlq import dead.ndjson": { before: "cp letters.ndjson dead.ndjson" },
    // 1 is a warning: there are dead letters.
    "check dlq --warn 1 --crit 100": { codes: [1] },
    "check dlq --subscription mailer --warn 1 --crit 10": { codes: [1] },
    "check refused --warn 1 --crit 100": { codes: [0] },
    // How full the disk of this machine is does not matter here.
    "check disk --warn 20% --crit 5%": { codes: [0, 1, 2] },
    "alert --dlq '>0' --age '>5m' --disk '<10%' -- ./tell.sh": { before: LETTERS, until: PRINTED },
    "alert --dlq '>0' --subscription mailer --name mail --json -- ./tell.sh": { until: PRINTED },
  },
};

const topics: Scene = {
  verbs: ["topic", "bench"],
  setUp: "evs daemon start\n",
  stages: {
    "topic list 'orders.*'": { before: "evs topic create orders.test" },
    "topic remove orders.test": { answer: YES },
    "topic remove orders.test --yes": { before: "evs topic create orders.test" },
  },
};

const schemas: Scene = {
  verbs: ["schema"],
  setUp: `evs daemon start
echo '{"type":"object"}' >user.json
echo '{"userId":"u1"}' >payload.json
cp payload.json payloads.ndjson
mkdir schemas && cp user.json schemas/order.placed.json
`,
  stages: {
    "schema register user.created - < user.json": {
      before: `echo '{"type":"object","title":"A user"}' >user.json`,
    },
  },
};

const daemons: Scene = {
  verbs: ["daemon", "restore", "import", "with", "docs", "completions"],
  setUp: `${OTHER_MACHINE}
evs with -- sh -c 'evs publish t x 1 && evs backup evs.tar && evs export >events.ndjson'
printf '#!/bin/sh\\nevs publish t x 1\\n' >integration-test.sh
chmod +x integration-test.sh
`,
  stages: {
    "daemon run": { until: "evs status" },
    "daemon start --durability interval:50ms": { before: "evs daemon stop" },
    "daemon logs": { before: "evs daemon start" },
    "daemon logs -n 500 -f | jq 'select(.level==\"error\")'": {
      before: `log=$HOME/.local/share/evs/log/daemon.log
head -n 1 "$log" | jq -c '.level = "error"' >>"$log"`,
      until: PRINTED,
    },
    "restore evs.tar": { before: "evs daemon stop; rm -r $HOME/.local/share/evs" },
    "restore - < evs.tar": { before: "rm -r $HOME/.local/share/evs" },
    "restore evs.tar --store postgres://evs@db/events": { codes: [7] },
    "with -- sh -c 'evs publish t x 1 && evs expect t --timeout 5s'": { attempts: 5 },
    "import < events.ndjson": { before: "evs daemon start" },
  },
};

const nodes: Scene = {
  verbs: ["node"],
  database: true,
  setUp: 'evs daemon start --store "$DATABASE"',
  stages: {
    // There is no node of that name here.
    "node drain web1-3f9a02c1": { codes: [1] },
  },
};

/** A machine that systemd runs, with a copy of /etc: nobody changes the real one. */
const SYSTEMD = "mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system /run/etc; " +
  "cp -a /etc/. /run/etc; mount --bind /run/etc /etc";

const services: Scene = {
  verbs: ["service"],
  // A service manager that does all that it is told.
  setUp: `mkdir -p bin ../run/systemd/private
printf '#!/bin/sh\\nexit 0\\n' >bin/systemctl
printf '#!/bin/sh\\ncat\\n' | tee charge.sh >tell.sh
chmod +x bin/systemctl charge.sh tell.sh
`,
  stages: {
    "service install daemon": { machine: SYSTEMD },
    // 2 where Deno lies in the home of root, which the daemon's user cannot read.
    "service install daemon --system": { machine: SYSTEMD, codes: [0, 2] },
    "service install consume orders --name billing -- ./charge.sh": { machine: SYSTEMD },
    "service install alert --dlq '>0' --disk '<10%' -- ./tell.sh": { machine: SYSTEMD },
    "service remove daemon": { machine: SYSTEMD },
    "service remove consume billing": { machine: SYSTEMD },
    "service remove alert main": { machine: SYSTEMD },
  },
};

const contexts: Scene = {
  verbs: ["context"],
  setUp: "",
  stages: {
    "context show": {
      before: "evs context set staging --data-dir ~/staging && evs context use staging",
    },
  },
};

const SCENES = [
  services,
  events,
  consumers,
  later,
  spool,
  deadLetters,
  topics,
  schemas,
  contexts,
  nodes,
  daemons,
];
const table = await commandTable(verbs);
const examples = commandsOf(table).flatMap(({ path, examples }) =>
  examples.map(([line]) => ({ verb: path.split(" ")[0]!, line }))
);

Deno.test("every command has examples, and each example has its scene", () => {
  for (const { path, examples } of commandsOf(table)) assert.ok(examples.length > 0, path);
  const verbsHere = SCENES.flatMap(({ verbs }) => verbs);
  assert.deepEqual([...verbsHere].sort(), [...verbs.keys()].sort());
  const known = new Set(examples.map(({ line }) => line));
  for (const line of SCENES.flatMap(({ stages }) => Object.keys(stages))) {
    assert.ok(known.has(line), `no command has the example: evs ${line}`);
  }
});

for (const { verbs, setUp, stages, database } of SCENES) {
  Deno.test(`the examples of evs ${verbs.join(", ")} run`, async () => {
    needTools("jq", "bash", "script");
    await using server = database && await startPostgres({ settings: { fsync: "off" } });
    await using place = await Place.make();
    place.env.PATH = `${place.folder}/work/bin:${place.env.PATH}`;
    if (server) place.env.DATABASE = server.url;
    await place.run(setUp);
    for (const { line } of examples.filter(({ verb }) => verbs.includes(verb))) {
      await runExample(place, `evs ${line}`, stages[line]);
    }
  });
}

Deno.test("the examples of evs --help run", async () => {
  needTools("jq", "bash");
  await using place = await Place.make();
  const stages: Record<string, Stage> = {
    "tail -f access.log.json | evs publish log line --ndjson": {
      before: "echo '{}' >access.log.json",
      until: "evs get log 1",
    },
    "evs tail users": { until: PRINTED },
    "evs consume users --name mailer -- ./send-mail.sh": {
      before: "printf '#!/bin/sh\\ncat\\n' >send-mail.sh; chmod +x send-mail.sh",
      until: PRINTED,
    },
  };
  const lines = EXAMPLES.map(([line]) => line);
  assert.deepEqual(Object.keys(stages).filter((line) => !lines.includes(line)), []);
  for (const line of lines) await runExample(place, line, stages[line]);
});
