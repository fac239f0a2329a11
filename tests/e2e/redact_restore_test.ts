/**
 * After a restore of a backup from before an event was published and redacted, a corrected event gets
 * the same seq and the same id. It is delivered, it is kept by a later restore, and it can be
 * redacted itself.
 */
import assert from "node:assert/strict";
import { redactionOf } from "../../core/event/redaction.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { evs } from "../helpers/evs.ts";
import { filesWith } from "../helpers/leftovers.ts";

const SECRET = "correct-horse-battery-staple";
const CORRECTED = "corrected-horse";

for (const store of ["sqlite", "file"]) {
  Deno.test(`a corrected event with the seq and the id of a redacted one is delivered after a restore, kept by the next, and redacted when asked: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    const [older, later] = [`${daemon.folder}/older.tar`, `${daemon.folder}/later.tar`];
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await evs(args, { at: daemon });
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const redact = async (reason: string) =>
      JSON.parse(await run("redact", "users", "u1", "--reason", reason, "--yes"));
    const restore = async (file: string) => {
      await daemon.stop();
      const { redacted } = JSON.parse(await run("restore", file, "--force"));
      await daemon.start();
      return redacted;
    };
    await daemon.http("PUT", "/v1/subscriptions/s", { topic: "users" });
    await run("topic", "create", "users");
    await run("backup", older);
    await run("publish", "users", "user.created", `"${SECRET}"`, "--id", "u1");
    assert.equal((await redact("first")).seq, 1);
    assert.equal(await restore(older), 0);

    const again = ["publish", "users", "user.created", `"${CORRECTED}"`, "--id", "u1"];
    assert.equal(JSON.parse(await run(...again, "--json")).seq, 1);
    const got: unknown[] = [];
    await settleAll(daemon, {
      subscription: "s",
      judge({ payload }) {
        got.push(payload);
        return { error: "not yet", dead: true };
      },
    });
    assert.deepEqual([...got], [CORRECTED]);
    await run("backup", later);
    assert.equal(await restore(later), 0, "the backup is younger than the redaction");
    assert.deepEqual((await daemon.replay("users")).map(({ payload }) => payload), [CORRECTED]);
    assert.equal(JSON.parse(await run("dlq", "retry", "u1")).count, 1);
    await settleAll(daemon, {
      subscription: "s",
      judge({ payload }) {
        got.push(payload);
        return "done";
      },
    });
    assert.deepEqual([...got], [CORRECTED, CORRECTED]);

    const { created, reason } = await redact("second");
    assert.deepEqual([created, reason], [true, "second"]);
    assert.equal((await redact("third")).created, false);
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET, CORRECTED]), []);
    assert.equal(await restore(later), 1, "the backup is older than the second redaction");
    assert.deepEqual(
      (await daemon.replay("users")).map((event) => redactionOf(event)?.reason),
      ["second"],
    );
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET, CORRECTED]), []);
  });

  Deno.test(`evs restore keeps a corrected event in the spool that has the id of a redacted one: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    const backup = `${daemon.folder}/backup.tar`;
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await evs(args, { at: daemon });
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const publish = (text: string) =>
      run("publish", "users", "user.created", `"${text}"`, "--id", "u1", "--spool");
    const schema = `${daemon.folder}/schema.json`;
    await Deno.writeTextFile(schema, '{"type":"object"}');
    await run("schema", "register", "user.created", schema);
    await daemon.stop();
    await publish(SECRET);
    await daemon.start(); // refuses it
    await run("redact", "users", "u1", "--yes");
    await daemon.stop();
    await publish(CORRECTED);
    await run("backup", backup);
    assert.equal(JSON.parse(await run("restore", backup, "--force")).redacted, 0);
    assert.notDeepEqual(filesWith(`${daemon.dataDir}/spool`, [CORRECTED]), []);
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET]), []);
  });
}
