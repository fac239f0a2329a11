/**
 * An uncaught error in the daemon is logged with its stack, counted, and ends the process with an
 * error.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/evs.ts";

/** Code that goes wrong in the daemon when it gets a SIGUSR2. */
const FAULTS: [what: string, code: string, told: RegExp][] = [
  [
    "a timer throws",
    `Deno.addSignalListener("SIGUSR2", () => setTimeout(() => { throw new Error("planted"); }, 0));`,
    /nobody caught/,
  ],
  [
    "a rejection is not handled",
    `Deno.addSignalListener("SIGUSR2", () => void Promise.reject(new Error("planted")));`,
    /a rejection that nobody caught/,
  ],
  [
    "the writer's thread dies while nothing is asked of it",
    `const Real = globalThis.Worker;
     globalThis.Worker = class extends Real {
       constructor(script, options) {
         const code = \`import "\${script}";
           const onmessage = self.onmessage;
           self.onmessage = (event) => {
             if (event.data === "fault") setTimeout(() => { throw new Error("planted"); }, 0);
             else onmessage(event);
           };\`;
         super("data:application/javascript," + encodeURIComponent(code), options);
         Deno.addSignalListener("SIGUSR2", () => this.postMessage("fault"));
       }
     };`,
    /a worker of the daemon died: .*planted/,
  ],
];

/** The daemon's own command, `deno run --quiet …`, with a file loaded in front of it. */
function withFault(file: string): string[] {
  return ["sh", "-c", `deno=$1; shift 2; exec "$deno" run --preload=${file} "$@"`, "sh"];
}

for (const [what, code, told] of FAULTS) {
  Deno.test(`the daemon logs it with its stack and ends with an error when ${what}`, async () => {
    const fault = await Deno.makeTempFile({ suffix: ".js" });
    await Deno.writeTextFile(fault, code);
    await using daemon = await startDaemon({ wrapper: withFault(fault) });
    assert.equal((await daemon.publish("t", "n", 1)).lastSeq, 1);
    Deno.kill(daemon.pid, "SIGUSR2");
    const { code: exit } = await daemon.exited();
    assert.notEqual(exit, 0);
    const log = (await Deno.readTextFile(`${daemon.dataDir}/log/daemon.log`)).trim().split("\n");
    const entry = log.map((line) => JSON.parse(line)).find(({ level }) => level === "error");
    assert.match(entry.message, /^unexpected error: /);
    assert.match(JSON.stringify(entry), told);
    assert.match(entry.error.stack, /planted/);
    await Deno.remove(fault);
  });
}

Deno.test("the daemon logs a warning of the runtime, and prints nothing that a closed pipe would refuse", async () => {
  const fault = await Deno.makeTempFile({ suffix: ".js" });
  await Deno.writeTextFile(
    fault,
    `import process from "node:process";
     process.stderr.write = () => { throw new Error("write EPIPE"); };
     Deno.addSignalListener("SIGUSR2", () => process.emitWarning("planted"));`,
  );
  await using daemon = await startDaemon({ wrapper: withFault(fault) });
  Deno.kill(daemon.pid, "SIGUSR2");
  const path = `${daemon.dataDir}/log/daemon.log`;
  await until(async () => /planted|nobody caught/.test(await Deno.readTextFile(path)));
  assert.equal((await daemon.publish("t", "n", 1)).lastSeq, 1);
  const log = (await Deno.readTextFile(path)).trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(log.find(({ message }) => message.includes("planted")).level, "warning");
  await Deno.remove(fault);
});

Deno.test("the daemon's runtime warns of nothing when a client reads very many verdicts slowly", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/schemas/n", { type: "integer" });
  const lines = '"a line of twenty bytes"\n'.repeat(80_000);
  const answer = await daemon.http("POST", "/v1/schemas/n/check", lines, {
    "content-type": "application/x-ndjson",
  });
  assert.equal(answer.text.split("\n").length, 80_001);
  assert.doesNotMatch(await Deno.readTextFile(`${daemon.dataDir}/log/daemon.log`), /warns/);
});
