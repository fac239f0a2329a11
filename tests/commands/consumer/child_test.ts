/**
 * Starting a program by the C library and by Deno: both give it the same session, environment,
 * descriptors and signals, and tell the same of how it ended.
 */
import assert from "node:assert/strict";
import {
  type Child,
  type ChildOptions,
  startByDeno,
  startByLibc,
  startChild,
} from "../../../commands/consumer/child.ts";
import { until } from "../../helpers/evs.ts";
import { IGNORING_ENDS, needTools } from "../../helpers/shell.ts";

const PATH = Deno.env.get("PATH") ?? "/usr/bin:/bin";

const SIGCHLD = 17n;

const PIPED = { stdout: "piped", stderr: "piped" } as const;

const WAYS: { by: string; start: (options: ChildOptions) => Child }[] = [
  { by: "Deno", start: startByDeno },
  ...Deno.build.os === "linux"
    ? [{ by: "the C library", start: (options: ChildOptions) => startByLibc(options)! }]
    : [],
];

/** What a program is told on stdin, prints and ends with. */
async function run(
  start: (options: ChildOptions) => Child,
  command: string[],
  { env = { PATH }, input = "" }: { env?: Record<string, string>; input?: string } = {},
) {
  const child = start({ command, env, ...PIPED });
  child.stdin.write(new TextEncoder().encode(input));
  child.stdin.end();
  const [stdout, stderr, status] = await Promise.all([
    textOf(child.stdout!),
    textOf(child.stderr!),
    child.status(),
  ]);
  assert.ok(child.hasEnded);
  return { pid: child.pid, stdout, stderr, code: status.code, signal: status.signal };
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  return await new Response(ReadableStream.from(chunks)).text();
}

const sh = (script: string) => ["sh", "-c", script];

for (const { by, start } of WAYS) {
  Deno.test(`a child started by ${by} gets all of many writes when it reads late`, async () => {
    const child = start({ command: sh("read -r _; wc -c"), env: { PATH }, ...PIPED });
    const [count, status] = [textOf(child.stdout!), child.status()];
    // More than a pipe holds, so that it is full again and again, in the middle of a write or not.
    for (let n = 0; n < 3000; n++) child.stdin.write(new Uint8Array(100).fill(65));
    child.stdin.write(new TextEncoder().encode("\n"));
    for (let n = 0; n < 3000; n++) child.stdin.write(new Uint8Array(100).fill(65));
    child.stdin.end();
    assert.equal((await count).trim(), "300000");
    assert.equal((await status).code, 0);
  });

  Deno.test(`a child started by ${by} holds up nobody when others read what it says`, async () => {
    const script = `for i in 1 2 3; do cat /dev/stderr >/dev/null & others="$others $!"; done
      for other in $others; do
        until grep -qx cat /proc/$other/comm && grep -q '^State:.S' /proc/$other/status; do :; done
      done
      echo x >&2; echo said
      for step in $(seq 500); do sleep 0.01; done; kill $others`;
    const children = Array.from({ length: 8 }, () => {
      return start({ command: sh(script), env: { PATH }, ...PIPED });
    });
    const signals = children.map(async (child) => {
      const [stderr, status] = [textOf(child.stderr!), child.status()];
      for await (const _ of child.stdout!) Deno.kill(-child.pid, "SIGKILL");
      await stderr;
      return (await status).signal;
    });
    // Held up, this process would have its turn when they have ended by themselves, after so many
    // steps that a busy machine lengthens them, too.
    assert.deepEqual(await Promise.all(signals), children.map(() => "SIGKILL"));
  });

  Deno.test(`a child started by ${by} leads its own session and process group`, async () => {
    const { pid, stdout } = await run(start, sh("ps -o pgid=,sid= -p $$"));
    assert.deepEqual(stdout.trim().split(/\s+/), [`${pid}`, `${pid}`]);
  });

  Deno.test(`a child started by ${by} has exactly the words and variables that it was given`, async () => {
    const words = ["", "a b", "ü\n€", "-x", "'\"$HOME"];
    const env = { PATH, EMPTY: "", TEXT: "two\nlines = ü" };
    const { stdout } = await run(start, ["sh", "-c", 'env; printf "<%s>" "$@"', "sh", ...words], {
      env,
    });
    for (const [name, value] of Object.entries(env)) assert.ok(stdout.includes(`${name}=${value}`));
    assert.doesNotMatch(stdout, /^HOME=/m);
    assert.ok(stdout.endsWith(words.map((word) => `<${word}>`).join("")), stdout);
  });

  Deno.test(`a child started by ${by} tells how it ended`, async () => {
    const ends: Record<string, [number, string | null]> = {
      "exit 0": [0, null],
      "exit 255": [255, null],
      "kill -TERM $$": [143, "SIGTERM"],
      "kill -PIPE $$": [141, "SIGPIPE"],
      "kill -SYS $$": [159, "SIGSYS"],
      "kill -34 $$": [162, "SIG34"],
    };
    for (const [script, expected] of Object.entries(ends)) {
      const { code, signal } = await run(start, sh(script));
      assert.deepEqual([code, signal], expected, script);
    }
  });

  Deno.test(`a child started by ${by} gets all of a large input, and all that it says is read`, async () => {
    const input = "0123456789abcdef".repeat(1 << 17);
    const { stdout, stderr, code } = await run(start, sh("tee /dev/stderr"), { input });
    assert.equal(code, 0);
    assert.ok(stdout === input && stderr === input);
  });

  Deno.test(`a child started by ${by} runs without a descriptor of ours`, async () => {
    const held = await Deno.open("/dev/null");
    const child = start({
      command: ["sleep", "600"],
      env: { PATH },
      stdout: "piped",
      stderr: "piped",
    });
    try {
      // What this process was started with is no matter of ours.
      const inherited = inheritedDescriptors();
      const { stdout } = await run(start, sh("ls /proc/$$/fd"));
      assert.deepEqual(
        stdout.trim().split("\n").map(Number).filter((fd) => !inherited.has(fd) && fd !== 255),
        [],
      );
    } finally {
      held.close();
      Deno.kill(child.pid, "SIGKILL");
      await Promise.all([textOf(child.stdout!), textOf(child.stderr!), child.status()]);
      child.stdin.cut();
    }
  });

  Deno.test(`many children started by ${by} leave no descriptor behind`, async () => {
    const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const some = () =>
      Promise.all(
        Array.from({ length: 20 }, (_, i) => run(start, sh(`exit ${i}`), { input: "x" })),
      );
    await some();
    const before = count();
    assert.deepEqual(
      (await some()).map(({ code }) => code),
      Array.from({ length: 20 }, (_, i) => i),
    );
    await until(() => count() <= before);
  });
}

Deno.test("startByLibc tells how a child ended when whoever started this program ignores that", async () => {
  needTools("perl");
  const module = import.meta.resolve("../../../commands/consumer/child.ts");
  const script = `import { startByLibc } from ${JSON.stringify(module)};
    const command = ["sh", "-c", "grep SigIgn /proc/self/status; exit 3"];
    const env = { PATH: ${JSON.stringify(PATH)} };
    const child = startByLibc({ command, env, stdout: "inherit", stderr: "inherit" })!;
    child.stdin.end();
    console.log((await child.status()).code);`;
  const { code, stdout, stderr } = await new Deno.Command("perl", {
    args: [...IGNORING_ENDS, Deno.execPath(), "eval", "--no-config", script],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const [ignored, ended] = new TextDecoder().decode(stdout).trim().split("\n");
  assert.equal(ended, "3");
  // Nor does the child ignore how its own children end.
  assert.equal(BigInt(`0x${ignored!.split("\t")[1]}`) >> (SIGCHLD - 1n) & 1n, 0n);
});

/** Descriptors that were open before this program began: those that a new program inherits. */
function inheritedDescriptors(): Set<number> {
  const fds = [...Deno.readDirSync("/proc/self/fdinfo")].map(({ name }) => Number(name));
  return new Set(fds.filter((fd) => {
    try {
      const flags = /^flags:\s+(\d+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))?.[1];
      return (Number.parseInt(flags ?? "0", 8) & 0o2000000) === 0;
    } catch (error) {
      // The one that listed the others.
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }));
}

Deno.test("startByLibc reads what a handler says when many have left their stderr to others", async () => {
  // More than the runtime has threads for calls that block.
  const left = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const options = { command: sh("sleep 600 & echo $!"), env: { PATH } } as const;
      const child = startByLibc({ ...options, stdout: "piped", stderr: "piped" })!;
      child.stdin.end();
      const [first] = await Array.fromAsync(firstOf(child.stdout!));
      assert.equal((await child.status()).code, 0);
      return { pid: Number(new TextDecoder().decode(first)), stderr: textOf(child.stderr!) };
    }),
  );
  try {
    assert.equal((await run((it) => startByLibc(it)!, sh("echo hello >&2"))).stderr, "hello\n");
  } finally {
    for (const { pid } of left) Deno.kill(pid, "SIGKILL");
    await Promise.all(left.map(({ stderr }) => stderr));
  }
});

async function* firstOf<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const item of items) return yield item;
}

Deno.test("startByLibc waits for nothing more when a child of the handler does not read its input", async () => {
  const big = new Uint8Array(1 << 20);
  const command = sh("sleep 600 <&0 2>/dev/null & echo $! >&2");
  const child = startByLibc({ command, env: { PATH }, stdout: "inherit", stderr: "piped" })!;
  child.stdin.write(big);
  child.stdin.end();
  const pid = Number(await textOf(child.stderr!));
  await child.status();
  // An operation that is left would fail this test.
  child.stdin.cut();
  Deno.kill(pid, "SIGKILL");
});

Deno.test("startByLibc starts nothing when the program is missing or a word cannot be passed", () => {
  const start = (command: string[], env: Record<string, string> = { PATH }) =>
    startByLibc({ command, env, stdout: "inherit", stderr: "inherit" });
  assert.equal(start(["no-such-program"]), undefined);
  assert.equal(start([]), undefined);
  assert.equal(start(["true", "a\0b"]), undefined);
  assert.equal(start(["true"], { PATH, NAME: "a\0b" }), undefined);
  assert.equal(start(["true"], { PATH, LONG: "x".repeat(1 << 20) }), undefined);
});

Deno.test("startChild runs a script without a first line, and throws when there is no program", async () => {
  const script = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(script, "echo it runs\n");
    await Deno.chmod(script, 0o755);
    assert.equal((await run(startChild, [script])).stdout, "it runs\n");
    const missing = () =>
      startChild({ command: ["no-such-program"], env: { PATH }, stdout: "piped", stderr: "piped" });
    assert.throws(missing, Deno.errors.NotFound);
  } finally {
    await Deno.remove(script);
  }
});
