/** `deno task test:network` checks daemons for row 22; this checks the checker. */
import assert from "node:assert/strict";
import { auditSockets, SocketTrace, TRACE } from "../helpers/socket_trace.ts";
import { needTools, project } from "../helpers/shell.ts";

/** Makes a folder with a program at `daemon/main.ts`, as the daemon's own. */
async function withProgram(text: string, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "evs-network-" });
  try {
    await Deno.mkdir(`${folder}/daemon`);
    await Deno.writeTextFile(`${folder}/daemon/main.ts`, text);
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function traced(folder: string, ...command: string[]): Promise<string> {
  const log = `${folder}/trace`;
  const { code, stderr } = await new Deno.Command("strace", {
    args: [...TRACE, "-o", log, ...command],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return log;
}

Deno.test("auditSockets finds the TCP socket of a daemon's thread, and not the one of whoever started it", async () => {
  needTools("strace");
  const listen = 'Deno.listen({ hostname: "127.0.0.1", port: 0 }).close();';
  const inWorker = `new Worker("data:text/javascript,${
    encodeURIComponent(`${listen} self.close();`)
  }", { type: "module" });`;
  await withProgram(inWorker, async (folder) => {
    const starter = `${folder}/starter.ts`;
    await Deno.writeTextFile(
      starter,
      `${listen} await new Deno.Command(Deno.execPath(), { args: ["run", "-A", "${folder}/daemon/main.ts"] }).output();`,
    );
    const log = await traced(folder, Deno.execPath(), "run", "--quiet", "-A", starter);
    const { daemons, network } = await auditSockets(log);
    assert.equal(daemons, 1);
    assert.equal(network.length, 1, network.join("\n"));
    assert.match(network[0]!, /^socket\(AF_INET6?, SOCK_STREAM.* by \[.*\/daemon\/main\.ts"\]$/);
  });
});

Deno.test("test:network ends with 0 and counts the daemons where they make Unix sockets alone", async () => {
  needTools("strace");
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "-A", `${project}/tests/network/main.ts`],
      `${project}/tests/e2e/daemon_test.ts`,
      `${project}/tests/system/idle_test.ts`,
    ],
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert.match(said, /^left out, they trace daemons themselves: tests\/system\/idle_test\.ts$/m);
  const last = /^1 test files \(ok\), (\d+) daemons, (\d+) Unix sockets, 0 others: ok$/m.exec(said);
  assert.ok(last, said);
  assert.ok(Number(last[1]) >= 3 && Number(last[2]) >= 3, said);
  assert.equal(code, 0);
});

Deno.test("test:network ends with 1 when no daemon was seen", async () => {
  needTools("strace");
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "-A", `${project}/tests/network/main.ts`],
      `${project}/tests/core/base/units_test.ts`,
    ],
  }).output();
  assert.match(new TextDecoder().decode(stdout), /, 0 daemons, .*: NOT WELL\n$/);
  assert.equal(code, 1);
});

Deno.test("SocketTrace knows a thread by the call that made it, when that returns after the thread has begun", () => {
  const trace = new SocketTrace();
  for (
    const line of [
      '10 execve("/deno", ["deno", "test"], 0x1 /* 3 vars */) = 0',
      "10 vfork( <unfinished ...>",
      '11 execve("/deno", ["deno", "run", "/x/daemon/main.ts"], 0x1 /* 3 vars */ <unfinished ...>',
      "10 <... vfork resumed>) = 11",
      "11 <... execve resumed>) = 0",
      "11 clone3({flags=CLONE_VM|CLONE_THREAD, child_tid=0x7f} <unfinished ...>",
      "12 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5",
      "11 <... clone3 resumed> => {parent_tid=[12]}, 88) = 12",
      "11 socket(AF_UNIX, SOCK_STREAM, 0) = 6",
      "11 vfork() = 13",
      '13 execve("/usr/bin/curl", ["curl"], 0x1 /* 3 vars */) = 0',
      "13 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5",
      "11 +++ exited with 0 +++",
      "10 vfork() = 11",
      "11 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5",
    ]
  ) trace.line(line);
  assert.deepEqual(trace.end(), {
    daemons: 1,
    unix: 1,
    network: [
      'socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5 by ["deno", "run", "/x/daemon/main.ts"]',
    ],
  });
});
