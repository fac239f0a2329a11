/** `evs doctor`: reports what is wrong in a data dir, how much is intact, and what to type. */
import type { PostgresOptions } from "../core/postgres/url.ts";
import type { Diagnosis } from "../core/doctor/checks/diagnosis.ts";
import type { StatusReply } from "../core/protocol/status.ts";
import { DataDirError, ExitCode, NoDaemonError, NotAnsweringError } from "../core/base/errors.ts";
import type { EvsContext } from "./cli/context.ts";
import { findCutRestore } from "../core/data_dir/cut_restore.ts";
import { VERSION } from "../core/base/version.ts";
import { askInTime } from "./check/ask_in_time.ts";
import { databaseOf } from "./check/database.ts";
import { roomAt } from "./check/disk.ts";
import { verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { spoolPlace } from "./spool/place.ts";
import { escapeLines } from "./terminal/escape.ts";

interface DoctorFlags {
  quick?: boolean;
  accept?: boolean;
}

export const route = verb<DoctorFlags, []>({
  brief: "Verify stored data, and say how to repair damage",
  description:
    "Reads everything in the data dir, with the daemon running or stopped, and changes nothing: every event is verified by its checksum, and the databases are checked for consistency, also with each other. Says what is wrong, where, how much is intact and what to type. Exit code 1 if something is damaged, else 0.\n\n" +
    "If the daemon of this data dir keeps its events in PostgreSQL, the database is examined as well, without changing anything there: every event, settings that make an acknowledgement less than durable, standbys, old snapshots, nodes of other versions, and what waits in the outbox.\n\n" +
    "It also warns about conditions that are not damage: wrong modes, foreign files, a stale socket, a lock whose holder does not answer, times in the future, a nearly full disk, subscriptions that are paused or make no progress, events that a consumer has held for too long, unused schemas. Warnings do not change the exit code.\n\n" +
    "Damage is reported, and the status is degraded, until you accept it: --accept acknowledges all damage that the running daemon knows of. It deletes nothing.",
  examples: [
    ["doctor", "Check everything."],
    ["doctor --quick", "Only the structure, not every event."],
    ["doctor --json | jq -c 'select(.level == \"damage\")'", "Only what is damaged."],
    ["doctor --json | jq -e 'select(.level == \"warning\")'", "Only the warnings, for a script."],
    ["doctor --accept", "Acknowledge the known damage."],
  ],
  parameters: {
    flags: {
      quick: { kind: "boolean", brief: "Do not read every event", optional: true },
      accept: { kind: "boolean", brief: "Acknowledge the known damage", optional: true },
    },
  },
  async run(this: EvsContext, { quick = false, accept = false }): Promise<void> {
    const { dataDir, socket } = this.paths;
    const client = await this.client();
    if (accept) {
      const { accepted } = await client.call<{ accepted: number }>({
        method: "POST",
        path: "/v1/damage/accept",
      });
      await this.printFacts({ accepted }, () => ({ "damage accepted": accepted }));
      return;
    }
    const status = await runningStatus(() => client.status());
    assertDataDir(dataDir);
    const { examine } = await load<typeof import("../core/doctor/doctor.ts")>(
      "../core/doctor/doctor.ts",
    );
    const database = await databaseOf(this.paths);
    const asked = (path: string) => client.call<unknown>({ method: "GET", path });
    const context = {
      dataDir,
      quick,
      now: this.clock.now(),
      room: () => roomAt(dataDir),
      socket,
      spool: (await spoolPlace(this)).folders,
      ...(status
        ? { status, ask: database ? askInTime(asked, { clock: this.clock }) : asked }
        : {}),
    };
    let damaged = 0;
    for await (
      const diagnosis of bothOf(examine(context), await databaseDoctor(database, { quick }))
    ) {
      if (diagnosis.level === "damage") damaged++;
      if (this.forPeople) this.print(forPeople(this, diagnosis));
      else this.printJson(diagnosis);
    }
    if (damaged === 0) return;
    this.exitCode = ExitCode.NotFound;
    this.say(`${damaged} ${damaged === 1 ? "thing is" : "things are"} damaged in ${dataDir}`);
  },
});

/** What is found in the database of the data dir; nothing if it has its own files. */
async function databaseDoctor(
  database: PostgresOptions | undefined,
  { quick }: { quick: boolean },
): Promise<AsyncIterable<Diagnosis> | undefined> {
  if (database === undefined) return undefined;
  const { examineDatabase } = await load<typeof import("../core/doctor/postgres/doctor.ts")>(
    "../core/doctor/postgres/doctor.ts",
  );
  return examineDatabase(database, { quick, version: VERSION });
}

async function* bothOf<T>(one: AsyncIterable<T>, other: AsyncIterable<T> | undefined) {
  yield* one;
  if (other !== undefined) yield* other;
}

async function runningStatus(ask: () => Promise<StatusReply>): Promise<StatusReply | undefined> {
  try {
    return await ask();
  } catch (error) {
    // Whatever holds the data dir and says nothing of itself is what the doctor looks for.
    const isUnknown = error instanceof NotAnsweringError && error.details?.["pid"] === undefined;
    if (error instanceof NoDaemonError || isUnknown) return undefined;
    throw error;
  }
}

function assertDataDir(dataDir: string): void {
  try {
    Deno.readDirSync(dataDir)[Symbol.iterator]().next();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const cut = findCutRestore(dataDir);
    if (cut) {
      const next = cut.way === "finish" ? "finishes it" : "takes it back";
      throw new DataDirError(
        "datadir/missing",
        `there is no data dir ${dataDir}: a restore of it was cut short`,
        { hint: `evs daemon start ${next}, and says where everything is` },
      );
    }
    throw new DataDirError("datadir/missing", `there is no data dir ${dataDir}`, {
      hint: "evs daemon start makes it; EVS_DATA_DIR names another one",
    });
  }
}

function forPeople({ paint }: EvsContext, { level, where, what, hint }: Diagnosis): string {
  const marks = {
    ok: paint.green("ok     "),
    warning: paint.yellow("warning"),
    damage: paint.red("damage "),
  };
  const line = `${marks[level]}  ${escapeLines(where)}: ${escapeLines(what)}`;
  return hint === undefined ? line : `${line}\n         ${paint.dim(`-> ${escapeLines(hint)}`)}`;
}
