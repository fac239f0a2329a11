/** Calls to a daemon that may be away or stand still. */
import { EvsError } from "../../../core/base/errors.ts";
import { Client } from "../../../core/client/client.ts";
import { isGone } from "../../../core/client/consumer/port.ts";
import type { ScenarioContext } from "./scenario.ts";

/** What came of a call. `lost`: nobody knows whether it was done. */
export type Answer<T> =
  | { is: "done"; value: T }
  | { is: "refused"; error: EvsError }
  | { is: "lost" };

/** Calls the daemon once, from the director's own connection. */
export async function ask<T>(
  context: Pick<ScenarioContext, "daemon">,
  call: (client: Client) => Promise<T>,
): Promise<Answer<T>> {
  using client = new Client({ socket: context.daemon.socket });
  try {
    return { is: "done", value: await call(client) };
  } catch (error) {
    if (isGone(error)) return { is: "lost" };
    if (error instanceof EvsError) return { is: "refused", error };
    throw error;
  }
}

/** Calls the daemon until it answers. */
export async function insist<T>(
  context: Pick<ScenarioContext, "daemon" | "world">,
  call: (client: Client) => Promise<T>,
): Promise<T> {
  for (;;) {
    const answer = await ask(context, call);
    if (answer.is === "done") return answer.value;
    if (answer.is === "refused") throw answer.error;
    await context.world.sleep(100);
  }
}

/** The JSON of a request, whatever its status. */
export async function request(
  client: Client,
  about: { method: string; path: string; query?: Record<string, string>; body?: string },
): Promise<{ status: number; text: string }> {
  const response = await client.fetchAny(about);
  return { status: response.status, text: await response.text() };
}
