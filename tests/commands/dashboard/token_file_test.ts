/** The file with a scraper's token: made for its owner alone, and refused when others may use it. */
import assert from "node:assert/strict";
import { scraperTokenIn } from "../../../commands/dashboard/token_file.ts";
import { inFolder, modeOf } from "../../helpers/start.ts";

const TOKEN = "a".repeat(32);
const refused = { code: "dashboard/token-file" };

Deno.test("scraperTokenIn makes a file for its owner alone, once, when there is none", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/token`;
    const token = await scraperTokenIn(path);
    assert.match(token, /^[\w-]{43}$/, "256 bits");
    assert.equal(modeOf(path), "600");
    assert.equal(await scraperTokenIn(path), token);
    assert.notEqual(await scraperTokenIn(`${folder}/other`), token);
  });
});

Deno.test("scraperTokenIn takes a token that its group may read, and none that others may use", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/token`;
    await Deno.writeTextFile(path, `${TOKEN}\n`);
    for (const mode of [0o600, 0o640, 0o400, 0o440]) {
      await Deno.chmod(path, mode);
      assert.equal(await scraperTokenIn(path), TOKEN, mode.toString(8));
    }
    for (const mode of [0o660, 0o644, 0o602, 0o601, 0o666]) {
      await Deno.chmod(path, mode);
      await assert.rejects(scraperTokenIn(path), refused, mode.toString(8));
    }
  });
});

Deno.test("scraperTokenIn takes no token that could be guessed, or that is more than one word", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/token`;
    for (const text of ["", TOKEN.slice(1), `${TOKEN}\n${TOKEN}`, `${TOKEN} b`, "a".repeat(5000)]) {
      await Deno.writeTextFile(path, text, { mode: 0o600 });
      await assert.rejects(scraperTokenIn(path), refused, text);
      assert.equal(await Deno.readTextFile(path), text, "it is left as it is");
    }
  });
});

Deno.test("scraperTokenIn refuses a FIFO instead of waiting for whoever writes to it", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/token`;
    const { success } = await new Deno.Command("mkfifo", { args: ["-m", "600", path] }).output();
    assert.ok(success);
    const taken = scraperTokenIn(path).catch((error) => error.message);
    const { promise, resolve } = Promise.withResolvers<string>();
    // Far longer than a look at a file takes anywhere.
    const timer = setTimeout(() => resolve("it waits"), 20_000);
    const said = await Promise.race([taken, promise]);
    clearTimeout(timer);
    (await Deno.open(path, { read: true, write: true })).close(); // lets it go if it waits
    assert.match(said, /token cannot be used: it is no regular file/);
  });
});

Deno.test("scraperTokenIn refuses a folder, a device, and a file that is larger than a token", () =>
  inFolder(async (folder) => {
    const large = `${folder}/large`;
    await Deno.writeTextFile(large, "x".repeat(4097), { mode: 0o600 });
    for (const path of [folder, "/dev/zero"]) {
      await assert.rejects(scraperTokenIn(path), { message: /it is no regular file$/ });
    }
    await assert.rejects(scraperTokenIn(large), { message: /it is larger than a token$/ });
  }));
