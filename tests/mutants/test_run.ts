/**
 * One run of a test file in a copy of the tree, and what came out of it. A run has to end: what it
 * started and left behind is ended with it.
 */
import { systemClock } from "../../core/base/clock.ts";
import { setPatientTimer } from "../../core/base/standstill.ts";
import { endMarked, MARK } from "./marked.ts";

/** What is run, and where. */
export interface TestRunOptions {
  root: string;
  /** The module cache of the run: a folder of its own, so that no other is filled with copies. */
  cache: string;
  /** Where its temporary files go. */
  temporary: string;
  file: string;
  filter?: string | undefined;
  /** Ended after so many ms. */
  limit: number;
  signal?: AbortSignal | undefined;
}

/**
 * What came out. `failed`: a test failed. `broken`: no test did, and yet the run failed, because a
 * module does not load or the process died.
 */
export type TestRun =
  & { output: string; milliseconds: number; passed: number }
  & ({ end: "passed" | "broken" | "hung" } | { end: "failed"; test: string });

/** Runs a test file until the first test fails. */
export async function runTest(options: TestRunOptions): Promise<TestRun> {
  const { file, filter, root, cache, temporary, limit, signal } = options;
  signal?.throwIfAborted();
  await Deno.mkdir(temporary, { recursive: true });
  const mark = crypto.randomUUID();
  const began = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "-A", "--quiet", "--no-check", "--lock=tests/deno.lock", "--frozen"],
      ...["--reporter=tap", "--fail-fast", ...filter === undefined ? [] : ["--filter", filter]],
      file,
    ],
    cwd: root,
    env: {
      ...{ DENO_DIR: cache, TMPDIR: temporary, EVS_DOSE: "1", NO_COLOR: "1" },
      [MARK]: mark,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const texts = Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  let hung = false;
  const end = () => child.kill("SIGKILL");
  // A machine that stands still is no test that hangs.
  const cancel = setPatientTimer(systemClock, () => {
    hung = true;
    end();
  }, limit);
  signal?.addEventListener("abort", end);
  const { success } = await child.status;
  signal?.removeEventListener("abort", end);
  cancel();
  // Else what it left behind would hold the pipes open, and the processor.
  await endMarked(mark);
  const [stdout, stderr] = await texts;
  signal?.throwIfAborted();
  const { passed, failed } = readTap(stdout);
  const run = { passed, milliseconds: performance.now() - began, output: `${stdout}\n${stderr}` };
  if (failed !== undefined) return { ...run, end: "failed", test: failed };
  if (hung) return { ...run, end: "hung" };
  return { ...run, end: success ? "passed" : "broken" };
}

/** The tests that passed and the first that failed. A step of a test is indented. */
export function readTap(text: string): { passed: number; failed: string | undefined } {
  return {
    passed: Array.from(text.matchAll(/^ok \d+ - /gm)).length,
    failed: /^not ok \d+ - (.*)$/m.exec(text)?.[1],
  };
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}
