/** Reads a Containerfile: its instructions in order, and what it says of the container. */
import assert from "node:assert/strict";

/** An instruction with the rest of its line, or lines. */
export interface Instruction {
  name: string;
  rest: string;
}

const KNOWN = /^(FROM|ARG|ADD|RUN|ENV|USER|WORKDIR|VOLUME|HEALTHCHECK|STOPSIGNAL|ENTRYPOINT|CMD)$/;

/** The instructions of a file. Fails for one that no builder knows. */
export function instructionsOf(file: string): Instruction[] {
  const lines = file.split("\n").filter((line) => !line.startsWith("#")).join("\n")
    .replaceAll(/\\\n/g, " ").split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    assert.match(name ?? "", KNOWN, line);
    return { name: name!, rest: rest!.trim() };
  });
}

/** The words of an instruction in JSON form: `CMD ["daemon", "run"]`. */
export function wordsOf(instructions: readonly Instruction[], name: string): string[] {
  const found = instructions.filter((one) => one.name === name);
  assert.equal(found.length, 1, name);
  return JSON.parse(/\[.*\]$/.exec(found[0]!.rest)![0]);
}
