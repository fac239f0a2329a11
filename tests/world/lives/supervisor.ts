/** Keeps the daemon running, as a service manager does, and writes down when it ends. */
import type { Daemon, Exit, World } from "../types.ts";
import type { Recorder } from "./recorder.ts";

/** How long after its end it is started again, ms. */
const RESTART_MS = 100;

/** Looks after one daemon. */
export class Supervisor {
  readonly daemon: Daemon;
  readonly #world: World;
  readonly #recorder: Recorder;
  #isOver = false;
  /** The next end of the daemon is by this. */
  cause: "power cut" | "killed" | undefined;

  constructor(daemon: Daemon, { world, recorder }: { world: World; recorder: Recorder }) {
    this.daemon = daemon;
    this.#world = world;
    this.#recorder = recorder;
  }

  /** Stops it for good; resolves with how it ended. */
  async stop(): Promise<Exit> {
    this.#isOver = true;
    return await this.daemon.shutDown();
  }

  /** Starts it, and again whenever it has ended. Resolves when it has been ready once. */
  async run(): Promise<void> {
    const started = await this.daemon.start();
    const process = this.daemon.process!;
    void process.ended.then((exit) => this.#ended(exit, process as unknown as { said?: string }));
    if (started === "ready") this.#recorder.note({ is: "up" });
  }

  async #ended(exit: Exit, { said }: { said?: string }): Promise<void> {
    const how = exit.how === "killed"
      ? this.cause ?? "killed"
      : exit.how === "exited" && exit.code === 0
      ? "stopped"
      : "failed";
    this.cause = undefined;
    const words = exit.how === "threw" ? String(exit.error) : said;
    this.#recorder.note({ is: "down", how, ...(words ? { said: words } : {}) });
    if (this.#isOver) return;
    await this.#world.sleep(RESTART_MS);
    if (!this.#isOver) await this.run();
  }
}
