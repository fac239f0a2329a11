/** All judges of a life, with the model that they share. */
import type { Ending, Fact } from "../lives/fact.ts";
import { Model } from "../lives/model.ts";
import { deadLetterJudges } from "./dead_letters.ts";
import { deliveryJudges } from "./delivery.ts";
import { endJudges } from "./ending.ts";
import type { Finding, Judge } from "./judge.ts";
import { readingJudges } from "./reading.ts";
import { storeJudges } from "./stored.ts";

/** Every judge. */
export const judges: readonly Judge[] = [
  ...storeJudges,
  ...readingJudges,
  ...deliveryJudges,
  ...deadLetterJudges,
  ...endJudges,
];

/** Judges one life. */
export class Judging {
  readonly model: Model = new Model();
  readonly facts: Fact[] = [];
  readonly findings: Finding[] = [];
  readonly #judges: readonly Judge[];

  constructor(among: readonly Judge[] = judges) {
    this.#judges = among;
  }

  /** Something happened. */
  take(fact: Fact): void {
    for (const judge of this.#judges) {
      judge.sees?.(fact, this.model, (what) => this.#find(judge, { what, at: fact.at }));
    }
    this.facts.push(fact);
    this.model.take(fact);
  }

  /** It is over. */
  end(ending: Ending): readonly Finding[] {
    for (const judge of this.#judges) {
      judge.ends?.(ending, this.model, (what) => this.#find(judge, { what, at: ending.at }));
    }
    return this.findings;
  }

  #find({ name: judge, promise }: Judge, { what, at }: Pick<Finding, "what" | "at">): void {
    this.findings.push({ judge, promise, what, at });
  }
}
