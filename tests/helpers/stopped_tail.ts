/** A reader that has stopped reading. */
import type { TestDaemon } from "./daemon.ts";
import { evsCommand, until } from "./evs.ts";

/** A `tail` of the topic that is stopped once it follows. */
export async function stoppedTail(daemon: TestDaemon, topic: string): Promise<Deno.ChildProcess> {
  const command = evsCommand(["tail", topic, "-n", "0"], { at: daemon });
  const tail = new Deno.Command(command.program, command.options).spawn();
  await until(async () => (await daemon.http("GET", "/v1/status")).json.tails === 1);
  tail.kill("SIGSTOP");
  return tail;
}
