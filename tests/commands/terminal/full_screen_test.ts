/** A program that took the terminal gives it back, also when it throws or the terminal is gone. */
import assert from "node:assert/strict";
import { cellsOf } from "../../../commands/terminal/cells.ts";
import { FullScreen, type TerminalPort } from "../../../commands/terminal/full_screen.ts";

const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h";
const LEAVE = "\x1b[?2026l\x1b[m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l";

/** A terminal in memory, of which writing may fail. */
class FakePort implements TerminalPort {
  text = "";
  raw = false;
  gone = false;
  readonly handlers = new Map<Deno.Signal, () => void>();

  write(bytes: Uint8Array): Promise<number> {
    if (this.gone) return Promise.reject(new Error("EIO"));
    return Promise.resolve(this.writeSync(bytes));
  }

  writeSync(bytes: Uint8Array): number {
    if (this.gone) throw new Error("EIO");
    this.text += new TextDecoder().decode(bytes);
    return bytes.length;
  }

  read = () => new Promise<number | null>(() => {});
  size = () => ({ columns: 20, rows: 2 });
  stop = () => {};

  setRaw(on: boolean): void {
    if (this.gone) throw new Error("EIO");
    this.raw = on;
  }

  on(signal: Deno.Signal, handler: () => void): () => void {
    this.handlers.set(signal, handler);
    return () => this.handlers.delete(signal);
  }
}

/** A screen on it, and what it reports. */
function taken(port: FakePort) {
  const told: unknown[] = [];
  const screen = new FullScreen({
    port,
    colour: true,
    events: {
      typed: () => {},
      resized: (size) => told.push(size),
      signalled: (signal) => told.push(signal),
      failed: (error) => told.push(error),
    },
  });
  return { screen, told };
}

Deno.test("FullScreen gives the terminal back when what uses it throws", async () => {
  const port = new FakePort();
  await assert.rejects(async () => {
    await using screen = taken(port).screen;
    assert.ok(port.raw && port.text === ENTER);
    screen.show([cellsOf("hello")]);
    throw new Error("a bug");
  }, /a bug/);
  assert.ok(port.text.includes("hello"));
  assert.ok(port.text.endsWith(LEAVE));
  assert.equal(port.raw, false);
  assert.equal(port.handlers.size, 0, "signals do what they do by default");
});

Deno.test("FullScreen reports a terminal that is gone, and ends all the same", async () => {
  const port = new FakePort();
  const { screen, told } = taken(port);
  port.gone = true;
  screen.show([cellsOf("hello")]);
  await screen[Symbol.asyncDispose]();
  assert.match(String(told[0]), /EIO/);
});

Deno.test("FullScreen reports signals, and draws all of it in another size", async () => {
  const port = new FakePort();
  const { screen, told } = taken(port);
  port.handlers.get("SIGTERM")!();
  port.handlers.get("SIGWINCH")!();
  assert.deepEqual(told, ["SIGTERM", { columns: 20, rows: 2 }]);
  await screen[Symbol.asyncDispose]();
});
