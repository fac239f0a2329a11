/** Rounds of the benchmarks are taken again when the machine was not steady. */
import assert from "node:assert/strict";
import { steady } from "../bench/control.ts";

/** Takes a round while the control takes these times, one after the other; returns how often. */
async function taken(controls: number[]): Promise<{ times: number; said: string[] }> {
  let times = 0;
  const said: string[] = [];
  const figure = await steady(() => Promise.resolve(++times), {
    say: (text) => said.push(text),
    measure: () => controls.shift()!,
  });
  assert.equal(figure, times);
  return { times, said };
}

Deno.test("steady takes a round once when the control takes as long after it as before", async () => {
  assert.deepEqual(await taken([30, 32]), { times: 1, said: [] });
});

Deno.test("steady takes a round again when the control took a tenth longer, or less", async () => {
  const { times, said } = await taken([30, 34, 30, 20, 30, 30]);
  assert.equal(times, 3);
  assert.match(said[0]!, /13 %/);
  assert.match(said[1]!, /33 %/);
});

Deno.test("steady keeps a third round, and says that the machine never was steady", async () => {
  const { times, said } = await taken([30, 60, 30, 60, 30, 60]);
  assert.equal(times, 3);
  assert.match(said[2]!, /is kept/);
});
