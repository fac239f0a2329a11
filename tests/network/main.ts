/**
 * `deno task test:network [FILE…]`: runs the suite under strace, and verifies for every daemon that
 * any test starts, in any way, that it creates only Unix sockets (contract row 22). Files whose
 * tests trace a daemon themselves are left out: a process can have only one tracer. Exits with 1 if
 * a daemon created another socket, if no daemon was seen, or if the suite failed.
 */
import { auditSockets, TRACE } from "../helpers/socket_trace.ts";

const root = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(/\/$/, "");

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Test files below a folder. */
function* testFiles(folder: string): Generator<string, void, undefined> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* testFiles(path);
    else if (name.endsWith("_test.ts")) yield path;
  }
}

const asked = Deno.args.map((path) => Deno.realPathSync(path));
const files = asked.length > 0 ? asked : [...testFiles(`${root}/tests`)].toSorted();
const tracers = files.filter((path) => /"strace"|TRACE\b/.test(Deno.readTextFileSync(path)));
const followed = files.filter((path) => !tracers.includes(path));

const folder = await Deno.makeTempDir({ prefix: "evs-network-" });
const log = `${folder}/trace`;
const { code } = await new Deno.Command("strace", {
  args: [...TRACE, "-o", log, Deno.execPath(), "test", "--quiet", "-A", ...followed],
  cwd: root,
}).spawn().status;
const { daemons, unix, network } = await auditSockets(log);
await Deno.remove(folder, { recursive: true });

for (const call of network.slice(0, 50)) say(`not a Unix socket: ${call}`);
if (tracers.length > 0) {
  say(
    `left out, they trace daemons themselves: ${
      tracers.map((path) => path.slice(root.length + 1)).join(", ")
    }`,
  );
}
const ok = code === 0 && daemons > 0 && network.length === 0;
say(
  `${followed.length} test files (${
    code === 0 ? "ok" : `ended with ${code}`
  }), ${daemons} daemons, ${unix} Unix sockets, ${network.length} others: ${
    ok ? "ok" : "NOT WELL"
  }`,
);
Deno.exit(ok ? 0 : 1);
