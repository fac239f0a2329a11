/**
 * Plain publishes whose heads are the same: what many small clients send. The head is looked at
 * once, and one object waits for the outcome where a promise for each step would.
 */
import { EvsError } from "../../core/base/errors.ts";
import type { NewEvent } from "../../core/event/event.ts";
import type { AppendWaiter } from "../../core/store/journal.ts";
import type { AppendOutcome } from "../../core/store/store.ts";
import type { Exchange } from "../http/connection.ts";
import type { QuickFailure, QuickRoute, RouteRequest } from "../http/router.ts";
import { cloudModeOf } from "./cloud_events.ts";
import { isLines } from "./publish_lines.ts";
import { plainEvent, sendStored } from "./publish_one.ts";
import { type PublishParameters, publishParameters, traceOf } from "./publish_options.ts";
import { type ConnectionTurn, turnOf } from "./publish_turn.ts";
import { StoredReplies } from "./stored_reply.ts";

/** A quick way for publishes with the head of this one, which was answered; undefined: none. */
export function quickPublish({ raw, query, ...rest }: RouteRequest): QuickRoute | undefined {
  const options = publishParameters(query, traceOf(raw));
  const type = raw.header("content-type");
  if (cloudModeOf(raw, type) !== undefined || isLines(options, type)) return undefined;
  return new QuickPublish(rest, options);
}

class QuickPublish implements QuickRoute {
  readonly request: Pick<RouteRequest, "params" | "services">;
  readonly #options: PublishParameters;
  readonly #replies = new StoredReplies();

  constructor(
    { params, services }: Pick<RouteRequest, "params" | "services">,
    options: PublishParameters,
  ) {
    this.request = { params, services };
    this.#options = options;
  }

  begin(exchange: Exchange, failed: QuickFailure): boolean {
    const { params, services } = this.request;
    const turn = turnOf(exchange.connection);
    if (!turn.isFree) return false;
    let waiter: StoredWaiter | undefined;
    try {
      const event = plainEvent({ raw: exchange.request, params, services }, this.#options);
      if (event === undefined) return false;
      waiter = new StoredWaiter(this.request, {
        exchange,
        event,
        turn,
        replies: this.#replies,
        failed,
      });
      services.disk.admit();
      const topic = params["topic"]!;
      const { expected } = this.#options;
      services.broker.appendFor(waiter, { topic, events: [event], expected });
    } catch (error) {
      if (waiter !== undefined) waiter.reject(error);
      else refuse(error, { services, exchange, failed });
    }
    return true;
  }
}

/** A publish that is being stored. */
interface Publish {
  exchange: Exchange;
  event: NewEvent;
  turn: ConnectionTurn;
  replies: StoredReplies;
  failed: QuickFailure;
}

/** Answers one publish. Until then it is its connection's turn. */
class StoredWaiter implements AppendWaiter {
  readonly #request: QuickPublish["request"];
  readonly #publish: Publish;

  constructor(
    request: QuickPublish["request"],
    publish: Publish,
  ) {
    this.#request = request;
    this.#publish = publish;
    void publish.turn.enter();
  }

  resolve(outcome: AppendOutcome): void {
    const { exchange, event, turn } = this.#publish;
    try {
      this.#send(exchange, { event, outcome });
    } catch (error) {
      return this.reject(error);
    }
    turn.leave();
  }

  #send(
    { reply }: Exchange,
    { event, outcome }: { event: NewEvent; outcome: AppendOutcome },
  ): void {
    const { params, services: { broker } } = this.#request;
    const made = outcome.ok && reply.isPlain
      ? this.#publish.replies.bytesOf(event, outcome, broker.isDurable(params["topic"]!))
      : undefined;
    if (made !== undefined) reply.sendMade(made);
    else sendStored(reply, { request: this.#request, event, outcome });
  }

  reject(error: unknown): void {
    const { turn, ...publish } = this.#publish;
    turn.leave();
    refuse(error, { ...publish, ...this.#request });
  }
}

function refuse(
  error: unknown,
  { services, exchange, failed }: Pick<RouteRequest, "services"> & {
    exchange: Exchange;
    failed: QuickFailure;
  },
): void {
  if (error instanceof EvsError) services.metrics.refuse(error.code);
  failed(exchange, error);
}
