/**
 * The recipes of docs/alerts.md, run by `evs alert` against a web server and a mail system that
 * stand for the real ones.
 */
import assert from "node:assert/strict";
import { needTools, Place, project } from "../helpers/shell.ts";

const page = await Deno.readTextFile(`${project}/docs/alerts.md`);

/** The scripts, by the name under which the page says to save them. */
const recipes = new Map(
  Array.from(
    page.matchAll(/[Ss]ave as `([a-z-]+)`:\n\n```sh\n([^]*?)^```$/gm),
    ([, name, script]): [string, string] => [name!, script!],
  ),
);

/** What the web server was sent. */
interface Received {
  path: string;
  headers: Headers;
  text: string;
}

/** A place with the recipes on its PATH, a daemon with a dead letter, and a web server. */
class Kitchen implements AsyncDisposable {
  readonly received: Received[] = [];
  /** What it answers. */
  status = 200;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(readonly place: Place) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async (request) => {
        const { url, headers } = request;
        this.received.push({ path: new URL(url).pathname, headers, text: await request.text() });
        return new Response("{}", { status: this.status });
      },
    );
  }

  static async make(): Promise<Kitchen> {
    needTools("jq", "curl");
    const kitchen = new Kitchen(await Place.make());
    const { folder } = kitchen.place;
    await Deno.mkdir(`${folder}/bin`);
    for (const [name, script] of recipes) {
      await Deno.writeTextFile(`${folder}/bin/${name}`, script, { mode: 0o755 });
    }
    const sendmail = `#!/bin/sh\n{ echo "$@"; cat; } >>'${folder}/mailed'\n`;
    await Deno.writeTextFile(`${folder}/bin/sendmail`, sendmail, { mode: 0o755 });
    kitchen.place.env.PATH = `${folder}/bin:${kitchen.place.env.PATH}`;
    await kitchen.place.run(`evs daemon start
evs publish orders order.placed '{}'
evs consume orders --name mailer --until-empty -- sh -c 'exit 65' || test $? = 6`);
    return kitchen;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** A begin, then its end, each told by this command. */
  async tell(command: string): Promise<void> {
    await this.place.run(`evs alert --once --dlq '>0' -- ${command}
evs dlq export >letters; evs dlq purge --yes
evs alert --once --dlq '>0' -- ${command}
evs dlq import letters`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.place.run("evs daemon stop");
    await this.#server.shutdown();
    await this.place[Symbol.asyncDispose]();
  }
}

const BEGIN = "1 dead letter of mailer (limit >0)";
const END = /^over after \S+: 0 dead letters of mailer$/;
const HINT = "evs dlq groups --subscription mailer";

Deno.test("docs/alerts.md has the recipes that this tests, and says how they are saved", () => {
  assert.deepEqual([...recipes.keys()], [
    "alert-mail",
    "alert-webhook",
    "alert-ntfy",
    "alert-pager",
  ]);
});

Deno.test("alert-mail sends a mail when a condition begins and when it ends", async () => {
  await using kitchen = await Kitchen.make();
  await kitchen.tell("alert-mail you@example.org");
  const mails = (await Deno.readTextFile(`${kitchen.place.folder}/mailed`)).split(/^-t\n/m).slice(
    1,
  );
  assert.equal(mails.length, 2);
  const host = Deno.hostname();
  const [begin, end] = mails.map((mail) => mail.split("\n"));
  assert.deepEqual(begin!.slice(0, 4), [
    "To: you@example.org",
    `Subject: [${host}] evs: begin dlq mailer`,
    "",
    BEGIN,
  ]);
  assert.match(begin![4]!, /^since \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(begin![5], HINT);
  assert.equal(end![1], `Subject: [${host}] evs: end dlq mailer`);
  assert.match(end![3]!, END);
});

Deno.test("alert-webhook posts what chats show when a condition begins and when it ends", async () => {
  await using kitchen = await Kitchen.make();
  await Deno.writeTextFile(
    `${kitchen.place.folder}/work/hook`,
    `url = "${kitchen.url}/services/x"\n`,
  );
  await kitchen.tell("alert-webhook hook");
  assert.deepEqual(kitchen.received.map(({ path }) => path), ["/services/x", "/services/x"]);
  const [begin, end] = kitchen.received.map(({ text }) => JSON.parse(text).text);
  assert.equal(begin, `:red_circle: ${Deno.hostname()}: ${BEGIN}\n\`${HINT}\``);
  assert.match(end, /^:large_green_circle: .*: over after /);
  assert.equal(kitchen.received[0]!.headers.get("content-type"), "application/json");
});

Deno.test("alert-ntfy posts a message with its title and priority when a condition begins and when it ends", async () => {
  await using kitchen = await Kitchen.make();
  await Deno.writeTextFile(`${kitchen.place.folder}/work/topic`, `url = "${kitchen.url}/shop"\n`);
  await kitchen.tell("alert-ntfy topic");
  const [begin, end] = kitchen.received;
  assert.equal(begin!.text, `${BEGIN}\n${HINT}\n`);
  assert.equal(begin!.headers.get("title"), `${Deno.hostname()}: dlq mailer`);
  assert.deepEqual(
    [begin, end].map((one) => [one!.headers.get("priority"), one!.headers.get("tags")]),
    [["high", "rotating_light"], ["default", "white_check_mark"]],
  );
  assert.equal(kitchen.received.length, 2);
});

Deno.test("alert-pager triggers an incident and resolves the same, and one that is refused is told again", async () => {
  await using kitchen = await Kitchen.make();
  await Deno.writeTextFile(`${kitchen.place.folder}/work/key`, "R0UT1NGKEY\n");
  const command = `alert-pager key ${kitchen.url}/v2/enqueue`;
  kitchen.status = 500;
  const refused = await kitchen.place.sh(`evs alert --once --dlq '>0' -- ${command}`);
  assert.equal(refused.code, 6);
  assert.match(refused.stderr, /exit code 22: curl: \(22\) The requested URL returned error: 500/);
  kitchen.status = 202;
  await kitchen.tell(command);
  assert.deepEqual(kitchen.received.map(({ path }) => path), Array(3).fill("/v2/enqueue"));
  const [first, begin, end] = kitchen.received.map(({ text }) => JSON.parse(text));
  assert.deepEqual(begin, {
    ...first,
    payload: { ...first.payload, custom_details: begin.payload.custom_details },
  });
  assert.deepEqual([begin.routing_key, begin.event_action, end.event_action], [
    "R0UT1NGKEY",
    "trigger",
    "resolve",
  ]);
  assert.equal(begin.dedup_key, end.dedup_key);
  const { summary, source, severity, timestamp, component, custom_details } = begin.payload;
  assert.deepEqual([summary, source, severity, component], [
    `${Deno.hostname()}: ${BEGIN}`,
    Deno.hostname(),
    "error",
    "mailer",
  ]);
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(custom_details.value, 1);
});
