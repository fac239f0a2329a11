/** How long something takes: the control that a deadline is held against on a busy machine. */

/** Runs `work` to its end; returns the milliseconds it took. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
