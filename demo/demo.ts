/**
 * `deno task demo`: the main use case on a private daemon, with input that exists on any machine.
 * Each command is printed before its output; if a command does not end as expected, the demo exits
 * with 1. Nothing is left behind.
 */
import { commits } from "./commits.ts";

interface Step {
  say: string;
  command: string;
  /** The expected exit code; default 0. */
  exit?: number;
  /** What its output must contain for the demo to continue. */
  shows?: RegExp;
}

const project = decodeURIComponent(new URL("..", import.meta.url).pathname).replace(/\/$/, "");
const folder = await Deno.makeTempDir({ prefix: "evs-demo-" });
const bold = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR")
  ? (text: string) => `\x1b[1m${text}\x1b[0m`
  : String;
const environment = {
  PATH: `${project}/bin:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`,
  HOME: folder,
  EVS_DATA_DIR: `${folder}/data`,
  EVS_SOCKET: `${folder}/evs.sock`,
  EVS_CONFIG: `${folder}/config.toml`,
  EVS_DENO: Deno.execPath(),
  DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? ""}/.cache/deno`,
};

function print(text: string): void {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/** A limit that the three longest subjects exceed. */
function limitThatThreeBreak(): number {
  const lengths = commits(project).map(({ subject }) => JSON.stringify(subject).length - 2).sort((
    a,
    b,
  ) => b - a);
  return lengths[3] ?? 20;
}

const limit = limitThatThreeBreak();
const consume =
  "evs consume commits --name tickets --until-empty --max-retries 1 --backoff fixed:100ms --";
const steps: Step[] = [
  { say: "Start a private daemon, in a temporary folder.", command: "evs daemon start" },
  {
    say: "Register a schema for commits, so that nothing else is accepted.",
    command: "evs schema register commit.made demo/commit.schema.json --version 1.0",
  },
  {
    say:
      "Publish this repository's newest commits from a pipe. The reply comes once they are safely on disk.",
    command:
      "deno run --allow-run=git --allow-read demo/commits.ts | evs publish commits commit.made --ndjson --key-pointer /author",
    shows: /"count":[1-9]/,
  },
  {
    say: "An invalid commit is rejected with each of its faults. Nothing is stored.",
    command: `evs publish commits commit.made '{"commit":1,"subject":""}'`,
    exit: 4,
    shows: /\/author/,
  },
  { say: "Show the last three.", command: "evs tail commits -n 3 --no-follow" },
  {
    say: "Replay with a filter.",
    command: `evs replay commits --where 'payload.subject.size() > ${limit}' --limit 5`,
    shows: /"subject"/,
  },
  {
    say:
      `Run a handler for each commit: a ticket system that accepts subjects of at most ${limit} characters. Some fail.`,
    command: `${consume} sh demo/ticket.sh ${limit}`,
    exit: 6,
  },
  {
    say: "Failed events are not lost: they are kept with their reason.",
    command: "evs dlq list",
    shows: /ticket refused/,
  },
  {
    say:
      "Show one of them: the event, and each attempt with its exit code and the handler's output.",
    command: `evs dlq show "$(evs dlq list | sed -n '1s/.*"id":"\\([^"]*\\)".*/\\1/p')"`,
    shows: /attempts/,
  },
  {
    say: "The ticket system is fixed. Retry them: they go back to the subscription that failed.",
    command: "evs dlq retry --all",
  },
  {
    say: "Run the same consumer with the fixed handler.",
    command: `${consume} sh demo/ticket.sh 500`,
  },
  { say: "The queue is empty.", command: "evs dlq list" },
  { say: "Show the daemon's status.", command: "evs status" },
  { say: "Stop the daemon.", command: "evs daemon stop" },
];

/** Runs one step; true if it went as expected. */
async function run(step: Step): Promise<boolean> {
  print(`\n${bold(`# ${step.say}`)}\n$ ${step.command}`);
  const wrapper = `deno() { "$EVS_DENO" "$@"; }\n${step.command}`;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", wrapper],
    cwd: project,
    env: environment,
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (said !== "") print(said.trimEnd());
  const expected = step.exit ?? 0;
  if (expected !== 0) print(`(exit ${code})`);
  if (code === expected && (step.shows?.test(said) ?? true)) return true;
  print(
    `\nThe demo went wrong: this ended with ${code}, not ${expected}, or did not show ${
      step.shows ?? "what it should"
    }.`,
  );
  return false;
}

let told = true;
try {
  for (const step of steps) {
    told = await run(step);
    if (!told) break;
  }
} finally {
  if (!told) {
    await new Deno.Command(`${project}/bin/evs`, {
      args: ["daemon", "stop"],
      env: environment,
      clearEnv: true,
    }).output();
  }
  await Deno.remove(folder, { recursive: true });
}
if (!told) Deno.exit(1);
print(`
That was the main job. To go on, with a daemon that stays:

  export PATH="${project}/bin:$PATH"
  evs daemon start
  evs publish notes note.made '{"text":"hello"}'
  evs tail notes

README.md has the rest; evs --help and evs COMMAND --help have examples for everything.`);
