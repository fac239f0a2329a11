/** Long synchronous work in steps, so that everything else has its turn between two of them. */

/**
 * Runs the steps and returns their result. `goOn` is called between two of them, and may throw to
 * give up.
 */
export async function inTurns<T>(
  steps: Iterator<unknown, T, undefined>,
  goOn: () => void = () => {},
): Promise<T> {
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
    await new Promise<void>((resolve) => setImmediate(() => resolve()));
    goOn();
  }
}
