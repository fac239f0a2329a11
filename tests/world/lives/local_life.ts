/** Lives the plan of a seed in a {@link LocalPlace}, and judges it. */
import { Judging } from "../judges/all.ts";
import type { Finding } from "../judges/judge.ts";
import type { Plan, Random, Step } from "../types.ts";
import { type Act, actOf } from "./act.ts";
import { Consuming } from "./consuming.ts";
import { endingOf, settle } from "./ending.ts";
import { LocalPlace } from "./local_place.ts";
import { Operating } from "./operating.ts";
import { Publishing } from "./publishing.ts";
import { Recorder } from "./recorder.ts";

/** What needs processes or sockets of their own. */
export const NOT_LOCAL: readonly string[] = [
  "kill consumer",
  "cut",
  "half close",
  "stall",
  "network",
  "second daemon",
  "damage",
  "disk fault",
  "full disk",
];

/** Lives a plan. */
export async function liveLocally(
  plan: Plan,
  random: Random,
): Promise<{ judging: Judging; findings: readonly Finding[] }> {
  const place = new LocalPlace(random);
  const judging = new Judging();
  const recorder = new Recorder(place, judging);
  const life = new LocalLife(place, recorder);
  for (const step of plan.steps) await life.take(step);
  await life.calm();
  let ending: Parameters<Judging["end"]>[0] | undefined;
  await settleIn(place, settle(place, { recorder, consuming: life.consuming }));
  await place.as("judge", async (access) => {
    const files = () => new Map(place.disk.files().map((path) => [path, place.disk.bytes(path)]));
    ending = await endingOf(access, { place, recorder, files });
  });
  return { judging, findings: judging.end(ending!) };
}

class LocalLife {
  readonly consuming: Consuming;
  readonly #place: LocalPlace;
  readonly #recorder: Recorder;
  readonly #publishing: Publishing;
  readonly #operating: Operating;

  constructor(place: LocalPlace, recorder: Recorder) {
    this.#place = place;
    this.#recorder = recorder;
    this.consuming = new Consuming(recorder);
    this.#publishing = new Publishing(recorder);
    this.#operating = new Operating(recorder);
  }

  async take(step: Step): Promise<void> {
    await this.#place.sleep(Math.max(0, step.at - this.#place.now()));
    const act = actOf(step);
    if (step.actor === "chaos") return await this.#chaos(act);
    void this.#place.as(step.actor, async (access) => {
      await this.#publishing.act(act, access);
      await this.consuming.act(act, access);
      await this.#operating.act(act, access);
    });
    await this.#place.sleep(0);
  }

  async calm(): Promise<void> {
    this.#place.disk.onCall = undefined;
    await this.#place.sleep(1000);
  }

  async #chaos(act: Act): Promise<void> {
    const place = this.#place;
    switch (act.do) {
      case "stop daemon":
        await place.restart();
        return this.#recorder.note({ is: "down", how: "stopped" });
      case "kill daemon":
        place.kill();
        return this.#recorder.note({ is: "down", how: "killed" });
      case "power cut":
        place.powerCut();
        return this.#recorder.note({ is: "down", how: "power cut" });
      case "clock":
        place.clock.jump(act.byMs);
        return this.#recorder.note({ is: "clock stepped", byMs: act.byMs });
      case "stand still":
        this.#recorder.note({ is: "disturbed", what: "stands still" });
        place.clock.stand(act.ms);
        return this.#recorder.note({ is: "disturbed", what: "stood still" });
    }
  }
}

/** Time passes until the work is done. */
async function settleIn(place: LocalPlace, work: Promise<void>): Promise<void> {
  let isDone = false;
  const done = work.finally(() => isDone = true);
  while (!isDone) await place.sleep(500);
  await done;
}
