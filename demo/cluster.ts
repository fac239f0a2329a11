/**
 * `deno task demo:cluster`: three daemons on one PostgreSQL, by ordinary `evs` commands. Each is
 * explained and printed before its output: events published on one node and consumed on two others,
 * one of which is killed in the middle of its work; nothing is lost, the order of each key is kept,
 * and dead letters are seen and retried from any node. Exits with 1 if anything is otherwise.
 *
 * It needs PostgreSQL's programs, and starts a server of its own; nothing is left behind.
 */
import { startPostgres } from "../tests/helpers/postgres.ts";

/** One command, with what it shows. */
export interface Step {
  say: string;
  command: string;
  /** What its output must contain for the demo to continue. */
  shows?: RegExp;
}

const project = decodeURIComponent(new URL("..", import.meta.url).pathname).replace(/\/$/, "");
const ORDERS = 400;
const CUSTOMERS = 20;
const REFUSED = Math.floor((ORDERS + 100) / 50);

/** Prints one line a customer, in which an order came before an earlier one of that customer. */
const ORDER_CHECK =
  `awk '!seen[$3]++ { if ($3 < last[$2]) print $2, $3; last[$2] = $3 }' handled | wc -l`;
const publish = (first: number, last: number) =>
  `seq ${first} ${last} | awk '{ printf "{\\"customer\\":\\"c%d\\",\\"order\\":%d}\\n", $1 % ${CUSTOMERS}, $1 }' | ` +
  "evs publish orders placed --ndjson --key-pointer /customer --data-dir a";
const consume = (node: string) =>
  `evs consume orders --name billing --concurrency 4 --data-dir ${node} -- ` +
  `sh "$DEMO/handler.sh" ${node} >${node}.log 2>&1 & echo $! >${node}.pid`;
/** Waits until so many orders were handled by somebody. */
const untilHandled = (count: number) =>
  `until [ "$(sort -n -u -k 3 handled | wc -l)" -eq ${count} ]; do sleep 0.2; done`;

/** What is shown on the database at `url`. */
export function clusterSteps(url: string): Step[] {
  const start = (node: string) => `evs daemon start --data-dir ${node} --store ${url}`;
  return [
    {
      say:
        "Three daemons, each with a data dir of its own (its log, its socket), share a database.",
      command: ["a", "b", "c"].map(start).join(" &&\n  "),
    },
    {
      say: "Any of them shows who is there.",
      command: "evs node list --data-dir c",
      shows: /"node":"[^]*"node":"[^]*"node":"/,
    },
    {
      say: `Publish ${ORDERS} orders of ${CUSTOMERS} customers on a. A customer is the key.`,
      command: publish(1, ORDERS),
      shows: new RegExp(`"count":${ORDERS}.*"lastSeq":${ORDERS}`),
    },
    {
      say: "Consume them on b and on c, four at a time each: one subscription, shared out by key.",
      command: `${consume("b")}; ${consume("c")}`,
    },
    {
      say: "When both have done some of it, see who owns which parts of it.",
      command: "until grep -q ^b handled && grep -q ^c handled; do sleep 0.1; done 2>/dev/null\n" +
        "evs subscription show billing --data-dir a",
      shows: /"owners":\[\{.*\},\{.*\}\]/,
    },
    {
      say: "Kill b and its consumer in the middle of their work: no goodbye, no clean end.",
      command: 'kill -9 $(cat b.pid) "$(sed \'s/.*"pid":\\([0-9]*\\).*/\\1/\' b/daemon.json)"',
    },
    {
      say: "Publishing goes on meanwhile.",
      command: publish(ORDERS + 1, ORDERS + 100),
      shows: /"count":100,/,
    },
    {
      say: "c takes over what b had: within the 10 s after which a silent node counts as gone.",
      command: `${untilHandled(ORDERS + 100)}\nevs subscription show billing --data-dir a`,
      shows: /"owners":\[\{"node":"[^"]*","parts":\[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\]/,
    },
    {
      say: `Nothing is lost: every one of the ${ORDERS + 100} orders was handled.`,
      command: "sort -n -u -k 3 handled | wc -l",
      shows: new RegExp(`^${ORDERS + 100}$`, "m"),
    },
    {
      say: "What b had in its hands came again: at least once, as ever. That many did:",
      command: "cut -d ' ' -f 3 handled | sort | uniq -d | wc -l",
    },
    {
      say: "The orders of each customer came in their order: none came before an earlier one.",
      command: ORDER_CHECK,
      shows: /^0$/m,
    },
    {
      say: "One in 50 was refused. The dead letters are seen from c, by what they died of,",
      command: "evs dlq groups --data-dir c",
      shows: new RegExp(`"count":${REFUSED}.*no stock|no stock.*"count":${REFUSED}`),
    },
    {
      say: "and are retried from a, which consumes nothing, once their cause is gone.",
      command: "touch fixed; wc -l <handled >before\nevs dlq retry --data-dir a " +
        `$(evs dlq list --data-dir a | sed 's/.*"subscription":"billing".*"id":"\\([^"]*\\)".*/\\1/')`,
      shows: new RegExp(`"count":${REFUSED},.*"bySubscription":\\{"billing":${REFUSED}\\}`),
    },
    {
      say: "c handles them.",
      command:
        `until [ "$(wc -l <handled)" -ge $(($(cat before) + ${REFUSED})) ]; do sleep 0.2; done`,
    },
    {
      say: "No dead letter is left, wherever it is asked.",
      command: "evs dlq list --data-dir a; evs dlq list --data-dir c",
      shows: /^$/,
    },
    {
      say:
        "Before an upgrade: have c finish what it does, and give its parts to whoever wants them.",
      command: "evs node drain --data-dir c\nuntil evs node list --data-dir a | " +
        `grep '"draining":true' | grep -q '"parts":0'; do sleep 0.2; done`,
      shows: /"draining":true/,
    },
    {
      say: "Stop them. b is gone already.",
      command: "kill $(cat c.pid); evs daemon stop --data-dir c && evs daemon stop --data-dir a",
    },
  ];
}

/** Runs the steps in a folder of their own; false if one was not as expected. */
export async function runCluster(
  url: string,
  { print, steps = clusterSteps(url) }: { print(text: string): void; steps?: Step[] },
): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "evs-cluster-" });
  try {
    for (const step of steps) {
      print(`\n# ${step.say}\n$ ${step.command}`);
      const said = await shell(step.command, folder);
      if (said.text !== "") print(said.text);
      if (said.code === 0 && (step.shows?.test(said.text) ?? true)) continue;
      print(`\nThe demo went wrong: ${said.code}, or did not show ${step.shows ?? "anything"}.`);
      for (const log of ["b.log", "c.log"]) print(await tail(`${folder}/${log}`));
      return false;
    }
    return true;
  } finally {
    await shell(ENDS, folder);
    await Deno.remove(folder, { recursive: true });
  }
}

/** Ends what is left of a demo that went wrong; says nothing where all has ended. */
const ENDS = `for node in b c; do [ ! -e $node.pid ] || kill -9 $(cat $node.pid); done
for node in a b c; do evs daemon stop --data-dir $node; done; true`;

async function shell(command: string, folder: string): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command],
    cwd: folder,
    env: {
      PATH: `${project}/bin:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`,
      HOME: folder,
      EVS_CONFIG: `${folder}/config.toml`,
      EVS_DENO: Deno.execPath(),
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? ""}/.cache/deno`,
      DEMO: `${project}/demo`,
    },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const words = decoder.decode(stderr).trim();
  const data = decoder.decode(stdout).trim();
  return { code, text: [data, words].filter((text) => text !== "").join("\n") };
}

async function tail(path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).slice(-500);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

if (import.meta.main) {
  await using server = await startPostgres();
  const encoder = new TextEncoder();
  const print = (text: string) => {
    const bytes = encoder.encode(`${text}\n`);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  };
  const began = performance.now();
  const isRight = await runCluster(server.url, { print });
  print(
    `\n${isRight ? "All as promised" : "Not as promised"}, in ${
      Math.round((performance.now() - began) / 1000)
    } s.`,
  );
  Deno.exitCode = isRight ? 0 : 1;
}
