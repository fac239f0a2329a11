/**
 * Fences: who still owns a part of a subscription. Where several processes share a state, each part
 * has one owner at a time and an epoch that rises with each new one. A commit names the epochs that
 * it was decided under, and the state keeps nothing of it once one of them is over: so what an owner
 * decides that has lost its part, however late, changes nothing. The same holds for an owner that
 * decides before it has read what somebody else changed of its part: there is a number for that, too.
 */
import { EvsError, ExitCode, UnsupportedError } from "../base/errors.ts";
import { maskOf, type PartMask } from "../event/part.ts";
import type { StateChange } from "./state.ts";

/** Where a change names no part, its subscription has only one. */
const FIRST = maskOf([0]);

/** What a commit was decided under. */
export interface Fence {
  subscription: string;
  /** Which part of the subscription, from 0. */
  part: number;
  /** When its owner took it over, as a number that rises. */
  epoch: number;
  /**
   * How often somebody else has changed rows of the part, as a number that rises. Absent: whatever
   * was changed, the commit is right.
   */
  rev?: number;
}

/** A commit was decided under what no longer holds: nothing of it was kept. */
export class FencedError extends EvsError {
  /** The parts that another node owns by now. */
  readonly fences: readonly Fence[];
  /** The parts that are still the node's own, and of which somebody else has changed rows. */
  readonly changed: readonly Fence[];

  /** @internal */
  constructor(fences: readonly Fence[], changed: readonly Fence[] = []) {
    const causes = [
      ...(fences.length > 0 ? [`another node owns ${namesOf(fences)} now`] : []),
      ...(changed.length > 0 ? [`somebody else has changed ${namesOf(changed)}`] : []),
    ];
    super(
      { code: "state/fenced", status: 409, exit: ExitCode.Conflict },
      `${causes.join(", and ")}; nothing of this was stored`,
      {
        details: {
          fences: fences.map((fence) => ({ ...fence })),
          ...(changed.length > 0 ? { changed: changed.map((fence) => ({ ...fence })) } : {}),
        },
      },
    );
    this.fences = fences;
    this.changed = changed;
  }
}

function namesOf(fences: readonly Fence[]): string {
  return fences.map(({ subscription, part }) => `${subscription} part ${part}`).join(", ");
}

/** Throws for fences, in a state that one process has for itself: it has no epochs to compare with. */
export function refuseFences(fences: readonly Fence[] | undefined): void {
  if (fences === undefined || fences.length === 0) return;
  throw new UnsupportedError("this state belongs to one process and has no fences", {
    code: "state/no-fences",
    details: { fences: fences.map((fence) => ({ ...fence })) },
  });
}

/** The parts of its subscription that a change of a delivery names; none: it names no part. */
export function partsOfChange(change: StateChange): PartMask {
  switch (change.op) {
    case "cursor.put":
    case "missed.put":
    case "expired.put":
      return change.record.parts ?? FIRST;
    case "done.put":
    case "retry.remove":
    case "unanswered.remove":
      return 1 << (change.part ?? 0);
    case "retry.put":
    case "unanswered.put":
      return 1 << (change.record.part ?? 0);
    default:
      return 0;
  }
}
