/** Whether a daemon runs, for a command that starts one: not if it is just being stopped. */
import assert from "node:assert/strict";
import { systemClock } from "../../../core/base/clock.ts";
import type { EvsContext } from "../../../commands/cli/context.ts";
import { runningDaemon } from "../../../commands/daemon/running.ts";
import { inFolder } from "../../helpers/start.ts";

/** The pid of a daemon that answers these many times, says once that it is stopping, and is gone. */
async function foundAfter(folder: string, answers: number): Promise<number | undefined> {
  const socket = `${folder}/s`;
  let left = answers;
  const gone = new AbortController();
  const server = Deno.serve({ path: socket, signal: gone.signal, onListen() {} }, () => {
    if (left-- > 0) return Response.json({ pid: 7, health: "ok" });
    queueMicrotask(() => gone.abort());
    const error = { code: "daemon/stopping", message: "the daemon is stopping" };
    return Response.json({ error }, { status: 503 });
  });
  const paths = { socket, dataDir: `${folder}/data`, config: "", chosen: "socket" as const };
  try {
    return (await runningDaemon({ paths, clock: systemClock } as EvsContext))?.pid;
  } finally {
    gone.abort();
    await server.finished;
  }
}

Deno.test("runningDaemon finds no daemon when it is being stopped while it is asked", () =>
  inFolder(async (folder) => assert.equal(await foundAfter(folder, 1), undefined)));

Deno.test("runningDaemon finds the daemon when it goes on answering", () =>
  inFolder(async (folder) => assert.equal(await foundAfter(folder, 100), 7)));
