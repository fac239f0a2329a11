/** Runs an example of the documentation as somebody would type it into bash. */
import assert from "node:assert/strict";
import { DEADLINE, type Place, type ScriptResult } from "./shell.ts";

/** What an example needs, and how it ends. */
export interface Stage {
  /** Runs before it. */
  before?: string;
  /** Its exit codes; by default 0. */
  codes?: readonly number[];
  /** It never ends by itself: it is stopped when this command succeeds. */
  until?: string;
  /** Runs again and again beside it. */
  meanwhile?: string;
  /**
   * It has a deadline of seconds, which a machine that stands still may miss: then it may be typed
   * this many times.
   */
  attempts?: number;
  /** Typed at its terminal, which it then has. */
  answer?: string;
  env?: Record<string, string>;
  /** Changes what it sees of this machine, in a mount namespace of its own. */
  machine?: string;
}

/** An example that is not written to a pipe or a file has printed something. */
export const PRINTED = "test -s printed";

/**
 * `jq` keeps its output until it has a page of it, and a follower is ended before that. A pipe fails
 * with any of its commands.
 */
const SHELL = `set -o pipefail
jq() { command jq --unbuffered "$@"; }
`;

/** Runs the line and returns what it printed; throws if it does not end as it should. */
export async function runExample(place: Place, line: string, stage: Stage = {}): Promise<string> {
  const { before, codes = [0], env, attempts = 1 } = stage;
  if (before !== undefined) await place.run(before, env);
  let ended = await runOnce(place, line, stage);
  for (let more = attempts - 1; more > 0 && !codes.includes(ended.code); more--) {
    ended = await runOnce(place, line, stage);
  }
  const { code, stdout, stderr } = ended;
  assert.ok(
    codes.includes(code),
    `${line}\nended with ${code}, not ${codes.join(" or ")}\n${stdout}\n${stderr}`,
  );
  assert.doesNotMatch(stderr, /^(?:bash|jq|sh):/m, line);
  return stdout;
}

async function runOnce(place: Place, line: string, stage: Stage): Promise<ScriptResult> {
  if (stage.answer !== undefined) return await atTerminal(place, line, stage);
  if (stage.until !== undefined || stage.meanwhile !== undefined) {
    return await besideOthers(place, line, stage);
  }
  if (stage.machine !== undefined) {
    const script = `set -e; ${stage.machine}; ${inBash(line)}`.replaceAll("'", "'\\''");
    return await place.sh(`exec unshare --mount sh -c '${script}'`, stage.env);
  }
  return await place.sh(inBash(line), stage.env);
}

function inBash(line: string, output = ""): string {
  return `exec bash -c '${(SHELL + line).replaceAll("'", "'\\''")}'${output}`;
}

/** Lets it run until the probe succeeds, then stops it with one SIGTERM, as systemd does. */
async function besideOthers(place: Place, line: string, stage: Stage): Promise<ScriptResult> {
  const { until = "false", meanwhile, env } = stage;
  await place.run("rm -f printed complaints");
  // A group of its own gets the signal once. bash waits for what it has started, then.
  const child = new Deno.Command("setsid", {
    args: ["sh", "-eu", "-c", inBash(`trap : TERM\n${line}`, " >printed 2>complaints")],
    cwd: `${place.folder}/work`,
    env: { ...place.env, ...env },
    clearEnv: true,
    stdin: "null",
  }).spawn();
  const deadline = performance.now() + Number(DEADLINE) * 1000;
  let running = true;
  const ended = child.status.finally(() => running = false);
  while (running) {
    if (meanwhile !== undefined) await place.run(meanwhile, env);
    const isDone = (await place.sh(until, env)).code === 0;
    const isLate = performance.now() > deadline;
    if (!isDone && !isLate) continue;
    await place.run(`kill -s ${isLate ? "KILL" : "TERM"} -- -${child.pid}`);
    break;
  }
  const { code } = await ended;
  return {
    code: stage.until !== undefined && code === 128 + 15 ? 0 : code,
    stdout: await Deno.readTextFile(`${place.folder}/work/printed`),
    stderr: await Deno.readTextFile(`${place.folder}/work/complaints`),
  };
}

async function atTerminal(place: Place, line: string, stage: Stage): Promise<ScriptResult> {
  const child = new Deno.Command("timeout", {
    args: [DEADLINE, "script", "-qec", inBash(line), "/dev/null"],
    cwd: `${place.folder}/work`,
    env: { ...place.env, TERM: "xterm", SHELL: "/bin/sh", ...stage.env },
    clearEnv: true,
    stdin: "piped", // and closed only at the end: then `script` would type Ctrl-D
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const keys = child.stdin.getWriter();
  await keys.write(new TextEncoder().encode(stage.answer));
  const [stdout, stderr, { code }] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.status,
  ]);
  await keys.close().catch(() => {}); // `script` has ended
  return { code, stdout, stderr };
}
