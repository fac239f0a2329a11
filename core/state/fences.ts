/**
 * Fences: who still owns a part of a subscription. Where several processes share a state, each part
 * has one owner at a time and an epoch that rises with each new one. A commit names the epochs that
 * it was decided under, and the state keeps nothing of it once one of them is over: so what an owner
 * decides that has lost its part, however late, changes nothing.
 */
import { EvsError, ExitCode, UnsupportedError } from "../base/errors.ts";

/** The epoch under which a commit was decided. */
export interface Fence {
  subscription: string;
  /** Which part of the subscription, from 0. */
  part: number;
  /** When its owner took it over, as a number that rises. */
  epoch: number;
}

/** A commit was decided by somebody who no longer owns the part: nothing of it was kept. */
export class FencedError extends EvsError {
  /** The fences that do not hold. */
  readonly fences: readonly Fence[];

  /** @internal */
  constructor(fences: readonly Fence[]) {
    const names = fences.map(({ subscription, part }) => `${subscription} part ${part}`);
    super(
      { code: "state/fenced", status: 409, exit: ExitCode.Conflict },
      `another node owns ${names.join(", ")} now; nothing of this was stored`,
      { details: { fences: fences.map((fence) => ({ ...fence })) } },
    );
    this.fences = fences;
  }
}

/** Throws for fences, in a state that one process has for itself: it has no epochs to compare with. */
export function refuseFences(fences: readonly Fence[] | undefined): void {
  if (fences === undefined || fences.length === 0) return;
  throw new UnsupportedError("this state belongs to one process and has no fences", {
    code: "state/no-fences",
    details: { fences: fences.map((fence) => ({ ...fence })) },
  });
}
