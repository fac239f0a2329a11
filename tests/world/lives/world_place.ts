/** The simulated world as those who live in it see it: each actor is a process with `connect()`. */
import { connect } from "../../../core/client/broker/connect.ts";
import { Client } from "../../../core/client/client.ts";
import type { Process, World } from "../types.ts";
import type { Access, Place } from "./place.ts";
import { RemoteOperator } from "./remote_operator.ts";

/** When to look again for a daemon, or for a process that is stopped, ms. */
const AGAIN_MS = 100;

type Work = (access: Access) => Promise<void>;

/** One life of an actor. */
class ActorProcess {
  readonly holder: string;
  readonly process: Process;
  readonly #place: WorldPlace;
  readonly #socket: string;
  readonly #jobs: (() => Promise<void>)[] = [];
  #access: Access | undefined;
  #wake: () => void = () => {};

  constructor(
    { actor, life, socket }: { actor: string; life: number; socket: string },
    { world, place }: { world: World; place: WorldPlace },
  ) {
    this.holder = `${actor}#${life}`;
    this.#place = place;
    this.#socket = socket;
    this.process = world.spawn(actor, () => this.#main());
  }

  /** Does the work in the process. */
  async work(work: Work): Promise<void> {
    // What is put into a process that stands still waits until it goes on.
    while (this.process.state === "stopped") await this.#place.sleep(AGAIN_MS);
    if (this.process.state === "dead") return;
    const done = new Promise<void>((resolve) => {
      this.#jobs.push(() => work(this.#access!).then(resolve));
    });
    this.#wake();
    await Promise.race([done, this.process.ended]);
  }

  async #main(): Promise<void> {
    this.#access = await this.#connected();
    for (;;) {
      const job = this.#jobs.shift();
      if (job) void job();
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async #connected(): Promise<Access> {
    const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));
    for (;;) {
      try {
        const broker = await connect({
          socket: this.#socket,
          onNotice: () => {},
          onError: (error, context) => this.#place.onReport(error, `${this.holder}: ${context}`),
        });
        const operator = new RemoteOperator(new Client({ socket: this.#socket }));
        return { holder: this.holder, broker, operator, sleep };
      } catch (error) {
        // It is down, or its disk fails: it will be back.
        if (!(error instanceof Error) || !("code" in error)) throw error;
        await sleep(AGAIN_MS);
      }
    }
  }
}

/** The world. */
export class WorldPlace implements Place {
  onGone: (holder: string) => void = () => {};
  onReport: (error: unknown, context: string) => void = () => {};
  readonly #world: World;
  readonly #actors = new Map<string, ActorProcess>();
  #lives = 0;

  constructor(world: World) {
    this.#world = world;
  }

  now(): number {
    return this.#world.now();
  }

  wall(): number {
    return Date.now();
  }

  sleep(ms: number): Promise<void> {
    return this.#world.sleep(ms);
  }

  /** The process of an actor, if it lives. */
  process(actor: string): Process | undefined {
    const process = this.#actors.get(actor)?.process;
    return process?.state === "dead" ? undefined : process;
  }

  processes(): Process[] {
    return [...this.#actors.values()].map(({ process }) => process);
  }

  async as(actor: string, work: Work): Promise<void> {
    await this.#actor(actor).work(work);
  }

  #actor(actor: string): ActorProcess {
    const there = this.#actors.get(actor);
    if (there && there.process.state !== "dead") return there;
    const { socket } = this.#world.machine;
    const of = { actor, life: ++this.#lives, socket };
    const made = new ActorProcess(of, { world: this.#world, place: this });
    this.#actors.set(actor, made);
    void made.process.ended.then((exit) => {
      if (exit.how === "threw") this.onReport(exit.error, `the process ${made.holder}`);
      this.onGone(made.holder);
    });
    return made;
  }
}
