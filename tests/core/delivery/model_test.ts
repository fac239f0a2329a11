/**
 * Random lives of a subscription, checked against the model: order, retries, pauses, aborts,
 * restarts and crashes.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { dose } from "../../helpers/dose.ts";
import { settled } from "../../helpers/fake_clock.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { DeliveryModel, type Step } from "./model.ts";
import { type Late, Subject, TIMEOUT_MS } from "./model_subject.ts";

type Command = fc.AsyncCommand<DeliveryModel, Subject>;

/**
 * A command that runs, lets everything that follows at once happen, and shows what was not as it
 * should be.
 */
function command(
  name: string,
  run: (model: DeliveryModel, subject: Subject) => void | Promise<void>,
  check: (model: DeliveryModel) => boolean = () => true,
): Command {
  return {
    check,
    toString: () => name,
    async run(model, subject) {
      await run(model, subject);
      for (let turn = 0; turn < 5; turn++) await settled();
      assert.deepEqual(model.faults, []);
      assert.deepEqual(subject.errors, []);
    },
  };
}

const steps: Step[] = ["ok", "ok", "skip", "throw", "reject", "retry", "dead", "hopeless", "hang"];
const script = fc.array(fc.constantFrom(...steps), { maxLength: 4 });
const key = fc.constantFrom(undefined, undefined, "a", "b");

const publish = fc.record({ key, script }).map((event) =>
  command(`publish ${event.key ?? "-"} [${event.script}]`, async (model, { broker }) => {
    const id = `id-${model.events.length}`;
    const payload = model.events.length;
    model.published({ ...event, id });
    await broker.publish("t", "x", payload, { id, key: event.key });
  })
);
const pass = fc.constantFrom(1, 40, 60, 120, TIMEOUT_MS).map((ms) =>
  command(`pass ${ms} ms`, (_, { clock }) => clock.pass(ms))
);
const release = fc.record({ pick: fc.nat(9), step: fc.constantFrom("ok", "throw", "dead") }).map((
  { pick, step },
) =>
  command(
    `release ${pick} ${step}`,
    (_, { hanging }) => [...hanging.values()][pick % hanging.size]!(step as "ok"),
    (model) => model.running.length > 0,
  )
);
const pause = fc.constant(command("pause", (model, { subscription }) => {
  model.paused = true;
  subscription!.pause();
}, ({ subscribed, paused }) => subscribed && !paused));
const resume = fc.constant(command("resume", (model, { subscription }) => {
  model.paused = false;
  subscription!.resume();
}, ({ subscribed, paused }) => subscribed && paused));
const begin = fc.constant(command("subscribe", (model, subject) => {
  model.subscribed = true;
  model.paused = false;
  subject.subscribe();
}, ({ subscribed }) => !subscribed));
const end = (name: string, run: (subject: Subject) => void | Promise<void>) =>
  command(name, async (model, subject) => {
    await subject.calm();
    await run(subject);
    model.subscribed = false;
  }, ({ subscribed }) => subscribed);
const ends = fc.constantFrom(
  end("abort", (subject) => subject.abort()),
  end("restart", (subject) => subject.restart()),
  end("crash", (subject) => subject.crash()),
);
const revive = fc.nat(9).map((pick) =>
  command(`send dead letter ${pick} again`, async (model, { broker }) => {
    const event = model.dead[pick % model.dead.length]!;
    // Where pages come later, its handler may have ended just now, and this is not stored yet.
    const isThere = async () =>
      (await broker.getDeadLetterQueue().getEvents()).some((entry) => entry.event.id === event.id);
    for (let turn = 0; turn < 20 && !await isThere(); turn++) await settled();
    model.revive(event.n);
    assert.equal(await broker.retryDeadLetter(event.id), true);
  }, ({ dead }) => dead.length > 0)
);

/** Whatever has happened: once handlers are there and end, everything ends as its script says. */
async function comesToTheEnd(model: DeliveryModel, subject: Subject): Promise<void> {
  const { clock, hanging } = subject;
  if (!model.subscribed) subject.subscribe();
  else if (model.paused) subject.subscription!.resume();
  model.subscribed = true;
  model.paused = false;
  for (let round = 0; round < 500 && !model.settled; round++) {
    for (const letGo of [...hanging.values()]) letGo("ok");
    for (let turn = 0; turn < 5; turn++) await settled();
    await clock.pass(50);
  }
  assert.deepEqual(model.faults, []);
  assert.ok(
    model.settled,
    `left: ${JSON.stringify(model.events.filter((e) => e.state !== "done"))}`,
  );
  for (let turn = 0; turn < 5; turn++) await settled();
  const { pending, leased, scheduled } = await subject.broker.subscriptions.info("s");
  assert.deepEqual({ pending, leased, scheduled }, { pending: 0, leased: 0, scheduled: 0 });
  const entries = await subject.broker.getDeadLetterQueue().getEvents();
  assert.deepEqual(
    entries.map(({ event, attempts }) => [event.payload, attempts]).sort(),
    model.dead.map(({ n, attempts }) => [n, attempts]).sort(),
  );
  await subject.broker.close();
  assert.deepEqual(subject.errors, []);
}

/** Compares so many random runs, with reads that come at once or late. */
async function comparesRuns({ numRuns, late }: { numRuns: number; late: fc.Arbitrary<Late> }) {
  const commands = fc.commands([
    publish,
    publish,
    publish,
    pass,
    pass,
    release,
    pause,
    resume,
    begin,
    begin,
    ends,
    revive,
  ], { maxCommands: 40, size: "max" });
  const setup = fc.record({
    concurrency: fc.constantFrom(1, 3),
    maxRetries: fc.constantFrom(0, 2),
    waitMs: fc.constant(100),
    afterMs: fc.constant(50),
  });
  await assertSeeded(
    fc.asyncProperty(setup, commands, late, async (setup, commands, late) => {
      const model = new DeliveryModel(setup);
      const subject = new Subject(model, late);
      await fc.asyncModelRun(() => ({ model, real: subject }), commands);
      await comesToTheEnd(model, subject);
    }),
    { numRuns, file: "tests/core/delivery/model_test.ts" },
  );
}

Deno.test("EventBroker delivers as its model does, through pauses, aborts, restarts and crashes", () =>
  comparesRuns({ numRuns: dose(1000), late: fc.constant({}) }));

Deno.test("EventBroker delivers as its model does when its store or its state answers late", () =>
  comparesRuns({
    numRuns: dose(500),
    late: fc.oneof(
      fc.record({ events: fc.nat() }),
      fc.record({ state: fc.nat() }),
      fc.record({ events: fc.nat(), state: fc.nat() }),
    ),
  }));
