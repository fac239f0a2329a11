/**
 * Upcasters convert old events for today's readers. Each step converts a payload from one version
 * of its type to the next; an event goes through the steps from its own version to the last. The
 * stored event does not change.
 */
import { assertObject, assertText } from "../base/options.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import { redactionOf } from "../event/redaction.ts";
import type { Event } from "../event/event.ts";

/** Returns the payload of the next version. Must not modify its argument. */
// deno-lint-ignore no-explicit-any -- a step knows what the older version looks like; nobody else does
export type Upcast = (payload: any, event: Event) => unknown;

interface Step {
  to: string;
  change: Upcast;
}

/**
 * The steps for all types.
 *
 * ```ts
 * import { EventBroker, Upcasters } from "@env/env-event-stream";
 *
 * const upcasters = new Upcasters()
 *   .add("user.created", { from: "1.0", to: "2.0" }, ({ name, ...rest }) => ({ ...rest, fullName: name }));
 * await using broker = new EventBroker();
 * broker.subscribe("users", ({ payload }) => console.log(payload.fullName), { upcast: upcasters });
 * await broker.publish("users", "user.created", { name: "first" }, { schemaVersion: "1.0" });
 * ```
 */
export class Upcasters {
  /** Type to version to the step from that version. */
  readonly #steps = new Map<string, Map<string, Step>>();

  /**
   * Adds a step. Throws `InvalidArgumentError` for a second step from the same version, for one
   * that would close a cycle, and for one that does not connect to the existing steps: with a gap,
   * readers would end up at different versions. So add the steps of a type in order, up or down.
   */
  add(type: string, step: { from: string; to: string }, change: Upcast): this {
    const { from, to } = assertObject(step, "a step");
    assertText(type, "the type of a step");
    assertText(from, "the version that a step is from");
    assertText(to, "the version that a step is to");
    const steps = this.#steps.get(type) ?? new Map<string, Step>();
    const there = steps.get(from);
    if (there) {
      throw new InvalidArgumentError(`${type} has a step from ${from} already, to ${there.to}`, {
        details: { type, from, to: there.to },
      });
    }
    for (let at: string | undefined = to; at !== undefined; at = steps.get(at)?.to) {
      if (at !== from) continue;
      throw new InvalidArgumentError(`the steps of ${type} from ${from} to ${to} go in a circle`, {
        details: { type, from, to },
      });
    }
    const last = lastVersions([...steps, [from, { to }]]);
    if (last.length > 1) {
      throw new InvalidArgumentError(
        `the steps of ${type} have a gap: they would end at ${last.join(" and at ")}`,
        {
          hint: "add the steps in order, each where another ends or begins",
          details: { type, from, to, ends: last },
        },
      );
    }
    steps.set(from, { to, change });
    this.#steps.set(type, steps);
    return this;
  }

  /**
   * The event in the last version that its steps lead to, or unchanged if there are none, or if it
   * was redacted.
   */
  upcast(event: Event): Event {
    if (redactionOf(event)) return event;
    const steps = this.#steps.get(event.type);
    let current = event;
    for (
      let step = steps?.get(event.schemaVersion);
      step !== undefined;
      step = steps?.get(step.to)
    ) {
      const payload = step.change(current.payload, current);
      current = { ...current, payload, schemaVersion: step.to };
    }
    return current;
  }
}

/** Versions that some step leads to and no step leads from. */
function lastVersions(steps: Iterable<[from: string, step: { to: string }]>): string[] {
  const all = new Map(steps);
  return [...new Set([...all.values()].map(({ to }) => to))].filter((to) => !all.has(to));
}
