/**
 * Porcupine, a checker that others rely on, judges histories of a real daemon under faults, and
 * histories made by hand: the same as ours says of them. Its model is written a second time, in Go.
 * Go builds it with the module that tests/linearizability/porcupine/go.sum names; where Go is not
 * installed, it is not run, and the list of tests says so.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { seed } from "../helpers/seed.ts";
import { findTool, project } from "../helpers/shell.ts";
import { STORES } from "../helpers/stores.ts";
import { inFolder } from "../helpers/start.ts";
import { LINEARIZABLE, NOT_LINEARIZABLE } from "../linearizability/by_hand.ts";
import { violationOf } from "../linearizability/checker.ts";
import { byTopic, type Operation } from "../linearizability/history.ts";
import { type Fault, record } from "../linearizability/recorder.ts";

const FAULTS: readonly Fault[] = ["kill", "lose answers", "stop", "cut"];

/** The Go compiler; undefined if there is none. */
const go = findTool("go", ["/usr/local/go/bin", "/usr/lib/go/bin"]);
const unless = go === undefined ? ": NOT RUN, there is no Go" : "";

/** Builds the checker into a folder. */
async function build(folder: string): Promise<string> {
  const checker = `${folder}/checker`;
  const { code, stderr } = await new Deno.Command(go!, {
    args: ["build", "-buildvcs=false", "-mod=readonly", "-o", checker, "."],
    cwd: `${project}/tests/linearizability/porcupine`,
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return checker;
}

/** What Porcupine says of each topic: `Ok` or `Illegal`. */
async function verdicts(
  checker: string,
  history: readonly Operation[],
): Promise<Record<string, string>> {
  const child = new Deno.Command(checker, { stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const lines = history.map((operation) => `${JSON.stringify(operation)}\n`).join("");
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    new Blob([lines]).stream().pipeTo(child.stdin),
  ]);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const said = new TextDecoder().decode(stdout).split("\n").filter(Boolean);
  return Object.fromEntries(said.map((line) => line.split(" ")));
}

/** Each history as a topic of its own. */
function together(histories: Readonly<Record<string, Operation[]>>): Operation[] {
  return Object.values(histories).flatMap((history, i) =>
    history.map((operation) => ({ ...operation, topic: `t${i}` }))
  );
}

Deno.test({
  name: `Porcupine says of histories made by hand what ours does${unless}`,
  ignore: go === undefined,
  fn: () =>
    inFolder(async (folder) => {
      const checker = await build(folder);
      for (
        const [histories, verdict] of [[LINEARIZABLE, "Ok"], [NOT_LINEARIZABLE, "Illegal"]] as const
      ) {
        const said = await verdicts(checker, together(histories));
        assert.deepEqual(
          Object.keys(histories).map((name, i) => `${said[`t${i}`]}: ${name}`),
          Object.keys(histories).map((name) => `${verdict}: ${name}`),
        );
      }
    }),
});

for (const store of STORES) {
  Deno.test({
    name: `Porcupine finds the histories of a daemon under faults linearizable (${store})${unless}`,
    ignore: go === undefined,
    fn: () =>
      inFolder(async (folder) => {
        const checker = await build(folder);
        await using daemon = await startDaemon({ store });
        const faults = Array.from({ length: dose(1) }, () => FAULTS).flat();
        const each = 60 * faults.length;
        const history = await record(daemon, { seed, clients: 6, each, faults });
        const said = await verdicts(checker, history);
        for (const [topic, operations] of byTopic(history)) {
          assert.equal(violationOf(operations), undefined, topic);
          assert.equal(said[topic], "Ok", `EVS_SEED=${seed}: ${JSON.stringify(operations)}`);
        }
        assert.equal(Object.keys(said).length, byTopic(history).size);
      }),
  });
}
