/** A program that is cut short: killed at a call of the disk, with or without the power failing. */
import type { Exit, Json, Random, World } from "../types.ts";

/** How it ends. */
export interface Cut {
  /** `none`: by itself. */
  how: "none" | "kill" | "power cut";
  /** At so many calls of the disk that change something, or renames. */
  after: number;
  ofRenames: boolean;
}

/** Half of them are cut short; `most`: about how many calls the program makes. */
export function drawCut(random: Random, most: number): { [name in keyof Cut]: Json } {
  // The renames are few, and what matters.
  const ofRenames = random.chance(0.3);
  return {
    how: random.pick(["none", "none", "kill", "power cut"]),
    after: random.int(0, ofRenames ? 2 : most),
    ofRenames,
  };
}

/**
 * Runs a program in a process of its own until it ends or is cut short. `path`: text in the paths of
 * what only this program writes to.
 */
export async function runCut(
  world: World,
  { name, path, cut, program }: {
    name: string;
    path: string;
    cut: Cut;
    program: () => Promise<void>;
  },
): Promise<Exit> {
  const { how, after, ofRenames } = cut;
  if (how !== "none") {
    world.machine.fault({ kind: "kill", path, after, ...(ofRenames ? { ops: ["rename"] } : {}) });
  }
  const exit = await world.spawn(name, program).ended;
  world.machine.clearFaults();
  if (exit.how === "killed" && how === "power cut") world.machine.powerCut();
  return exit;
}
