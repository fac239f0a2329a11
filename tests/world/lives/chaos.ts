/** What happens to the machine, its network and its processes in a life, and to whom. */
import type { Machine, Process, World } from "../types.ts";
import type { Act } from "./act.ts";
import type { Recorder } from "./recorder.ts";
import type { Supervisor } from "./supervisor.ts";
import type { WorldPlace } from "./world_place.ts";

/** What chaos has its access on. */
interface Reach {
  world: World;
  place: WorldPlace;
  recorder: Recorder;
  supervisor: Supervisor;
}

/** Disturbs. */
export class Chaos {
  readonly #reach: Reach;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  get #machine(): Machine {
    return this.#reach.world.machine;
  }

  async act(act: Act): Promise<void> {
    const { recorder, supervisor, world } = this.#reach;
    switch (act.do) {
      case "stop daemon":
        this.#disturb("the daemon is told to stop");
        return void supervisor.daemon.process?.signal("SIGTERM");
      case "kill daemon":
        return supervisor.daemon.kill();
      case "kill at disk":
        return await this.#lasting(
          "kill at disk",
          3000,
          () => this.#machine.fault({ kind: "kill", after: act.after }),
        );
      case "power cut":
        supervisor.cause = "power cut";
        return this.#machine.powerCut();
      case "kill":
        this.#disturb(`${act.who} is killed`);
        return this.#process(act.who)?.kill();
      case "stand still":
        return await this.#standStill(this.#process(act.who), act.ms);
      case "clock":
        this.#machine.stepClock(act.byMs);
        return recorder.note({ is: "clock stepped", byMs: act.byMs });
      case "second daemon":
        return await this.#second();
      case "flip bit":
      case "take away":
        return this.#damage(act);
      case "cut":
        this.#disturb("connections are cut");
        return void this.#machine.cut(act.who);
      case "half close":
        this.#disturb("connections are half closed");
        return void this.#machine.halfClose(act.who);
      default:
        return await this.#weather(act, world);
    }
  }

  /** What lasts for a while. */
  async #weather(act: Act, _world: World): Promise<void> {
    const machine = this.#machine;
    switch (act.do) {
      case "stall":
        return await this.#lasting("stall", act.ms, () => machine.network({ stalled: true }));
      case "network":
        return await this.#lasting("network", act.ms, () =>
          machine.network({
            delayMs: [0, act.delayMs],
            cutChance: act.cutChance,
            pieceBytes: act.pieceBytes,
          }));
      case "full disk":
        return await this.#lasting("full disk", act.ms, () => machine.room(act.bytes));
      case "disk fault": {
        const { kind, op, after, times } = act;
        return await this.#lasting(
          "disk fault",
          act.ms,
          () => machine.fault({ kind, ops: [op], after, times }),
        );
      }
    }
  }

  /** Everything heals; the daemon is started by its supervisor. */
  calm(): void {
    const { place, supervisor } = this.#reach;
    this.#machine.clearFaults();
    this.#machine.room(undefined);
    this.#machine.network({});
    supervisor.daemon.process?.continue();
    for (const process of place.processes()) process.continue();
  }

  #process(who: string): Process | undefined {
    const { place, supervisor } = this.#reach;
    return who === "daemon" ? supervisor.daemon.process : place.process(who);
  }

  #disturb(what: string, by?: 1 | -1): void {
    this.#reach.recorder.note({ is: "disturbed", what, ...(by === undefined ? {} : { by }) });
  }

  async #lasting(what: string, ms: number, begin: () => void): Promise<void> {
    this.#disturb(what, 1);
    begin();
    await this.#reach.world.sleep(ms);
    this.#machine.clearFaults();
    this.#machine.room(undefined);
    this.#machine.network({});
    this.#disturb(`${what} is over`, -1);
  }

  async #standStill(process: Process | undefined, ms: number): Promise<void> {
    if (process?.state !== "running") return;
    this.#disturb(`${process.name} stands still`, 1);
    process.stop();
    this.#reach.world.count("stalls");
    await this.#reach.world.sleep(ms);
    process.continue();
    this.#disturb(`${process.name} goes on`, -1);
  }

  /** Another daemon at the same data: it has to refuse, while the first lives. */
  async #second(): Promise<void> {
    const { world, supervisor: { daemon } } = this.#reach;
    if (!daemon.isReady) return;
    const first = daemon.process;
    const second = world.daemon({ name: "second" });
    const came = await second.start();
    if (came !== "ready") return;
    if (first?.state !== "dead") {
      world.violated("13. One daemon per data dir", "a second daemon serves beside the first");
    }
    await second.shutDown();
  }

  #damage({ do: what, path, nth, at, bit }: Act & { do: "flip bit" | "take away" }): void {
    const { supervisor, recorder } = this.#reach;
    const machine = this.#machine;
    supervisor.daemon.kill();
    const files = machine.files(machine.dataDir).filter((file) => file.includes(path));
    const file = files[Math.floor(nth * files.length)];
    if (file === undefined) return;
    const [, topic] = /\/events\/([^/%]+)\//.exec(file) ?? [];
    const bytes = machine.bytes(file);
    const byte = Math.floor(at * bytes.length);
    // Nothing tells the number of a format that has become a higher one from a newer version.
    if (what === "flip bit" && file.endsWith("/format") && isDigit(bytes[byte])) return;
    const isDone = what === "take away" ? machine.takeAway(file) : machine.flipBit(file, byte, bit);
    if (isDone) {
      recorder.note({ is: "damaged", what: `${what}: ${file}`, ...(topic ? { topic } : {}) });
    }
  }
}

function isDigit(byte: number | undefined): boolean {
  return /[0-9]/.test(String.fromCharCode(byte ?? 0));
}
