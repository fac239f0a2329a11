/** The guard of handlers: what it ends when it is told no more, and what when it is killed itself. */
import assert from "node:assert/strict";
import { type Child, type ChildOptions, startChild } from "../../../commands/consumer/child.ts";
import { HandlerGuard } from "../../../commands/consumer/handler_guard.ts";
import { isAlive, until } from "../../helpers/evs.ts";
import { processesNaming } from "../../helpers/shell.ts";

const PATH = Deno.env.get("PATH") ?? "/usr/bin:/bin";

/** A handler that would go on for ten minutes. */
class Sleeper implements AsyncDisposable {
  readonly child: Child;

  constructor(options: Pick<ChildOptions, "starting"> = {}) {
    const command = ["sleep", "600"];
    this.child = startChild({
      command,
      env: { PATH },
      stdout: "inherit",
      stderr: "inherit",
      ...options,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.child.hasEnded) Deno.kill(this.child.pid, "SIGKILL");
    await this.child.status();
    this.child.stdin.cut();
  }
}

/** Starts the guard, if need be, with a mark in its environment. */
function prepareMarked(guard: HandlerGuard, mark: string): void {
  Deno.env.set("EVS_TEST_MARK", mark);
  guard.prepare();
  Deno.env.delete("EVS_TEST_MARK");
}

function shells(mark: string): number[] {
  return processesNaming(mark).map(({ pid }) => pid);
}

Deno.test("HandlerGuard starts again when it was killed, and knows what runs", async () => {
  const mark = `guarded-${crypto.randomUUID()}`;
  const guard = new HandlerGuard();
  prepareMarked(guard, mark);
  await using running = new Sleeper();
  guard.watch(running.child.pid);
  const [first] = shells(mark);
  assert.ok(first !== undefined);
  Deno.kill(first, "SIGKILL");
  await until(async () => !await isAlive(first));
  prepareMarked(guard, mark);
  assert.equal(shells(mark).length, 1);
  // Its stdin ends without a word about this handler: so it did not end in order.
  await guard.close();
  assert.equal((await running.child.status()).signal, "SIGTERM");
});

Deno.test("HandlerGuard ends a handler of which only its start was announced", async () => {
  const guard = new HandlerGuard();
  guard.prepare();
  await using other = new Sleeper();
  await using running = new Sleeper({ starting: (stdin) => guard.expect(stdin) });
  await guard.close();
  assert.ok(running.child.hasEnded, "it was left running");
  assert.equal((await running.child.status()).signal, "SIGTERM");
  assert.equal(other.child.hasEnded, false);
});

Deno.test("HandlerGuard ends nothing when all that it was told of has ended", async () => {
  const guard = new HandlerGuard();
  guard.prepare();
  await using running = new Sleeper({ starting: (stdin) => guard.expect(stdin) });
  guard.watch(running.child.pid)();
  await guard.close();
  assert.equal(running.child.hasEnded, false);
});

/** True if a guard, which is told something and closed then, waits for handlers to end. */
async function waits(tell: (guard: HandlerGuard) => void): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/sleep`, `#!/bin/sh\n: > '${folder}/called'\n`);
    await Deno.chmod(`${folder}/sleep`, 0o755);
    const guard = new HandlerGuard();
    Deno.env.set("PATH", `${folder}:${PATH}`);
    guard.prepare();
    Deno.env.set("PATH", PATH);
    tell(guard);
    await guard.close();
    return [...Deno.readDirSync(folder)].some(({ name }) => name === "called");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("HandlerGuard waits for nobody when the handler that was announced did not start", async () => {
  await using running = new Sleeper();
  assert.equal(await waits((guard) => guard.watch(running.child.pid)), true);
  assert.equal(await waits((guard) => guard.expect("pipe:[0]")), false);
});
