/** A consumer of a scenario: a process with the library, which is started again where it dies. */
import { connect } from "../../../core/client/broker/connect.ts";
import { isGone } from "../../../core/client/consumer/port.ts";
import type { RemoteBroker } from "../../../core/client/broker/remote_broker.ts";
import type { Handler } from "../../../core/delivery/handler.ts";
import type { SubscribeOptions } from "../../../core/delivery/subscription.ts";
import type { Process } from "../types.ts";
import type { ScenarioContext } from "./scenario.ts";

/** What runs as a consumer. */
export interface ConsumerOptions {
  /** The name of its process. */
  process: string;
  topic: string;
  handler: (broker: RemoteBroker) => Handler;
  /** Its `name` is that of the subscription. */
  subscription: SubscribeOptions & { name: string };
}

/** How often a consumer that dies is started again. */
const MOST_STARTS = 60;

/** A consumer that can be killed and started. */
export class Consumer {
  readonly #context: ScenarioContext;
  readonly #options: ConsumerOptions;
  #process: Process | undefined;
  #starts = 0;
  #isOver = false;

  constructor(context: ScenarioContext, options: ConsumerOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Starts it; whenever it dies, it is started again a moment later. */
  start(): void {
    if (this.#isOver || this.#process?.state === "running" || this.#starts++ >= MOST_STARTS) return;
    const made = this.#context.world.spawn(this.#options.process, () => this.#run());
    this.#process = made;
    void made.ended.then(async () => {
      await this.#context.world.sleep(300);
      if (this.#process === made) this.start();
    });
  }

  /** Kills it; it comes back. */
  kill(): void {
    this.#process?.kill();
  }

  /** Kills it for good. */
  end(): void {
    this.#isOver = true;
    this.kill();
  }

  async #run(): Promise<void> {
    const { topic, handler, subscription } = this.#options;
    const broker = await connected(this.#context.daemon.socket);
    broker.subscribe(topic, handler(broker), subscription);
    await new Promise<never>(() => {});
  }
}

/** A broker of the daemon, as soon as there is one. */
export async function connected(socket: string): Promise<RemoteBroker> {
  for (;;) {
    try {
      return await connect({ socket, onError() {}, onNotice() {} });
    } catch (error) {
      if (!isGone(error)) throw error;
      await new Promise<void>((resolve) => void setTimeout(resolve, 100));
    }
  }
}
