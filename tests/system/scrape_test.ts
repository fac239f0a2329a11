/**
 * A scrape of many subscriptions costs the daemon little more than a text of that length costs
 * anybody: held to a plain server that makes and sends one, measured in turn with it.
 */
import { ScrapeCosts } from "../helpers/scrape_cost.ts";
import { heldInOneOf } from "../helpers/series.ts";

const SUBSCRIPTIONS = 1000;
/** Mostly it is 0.7; where the text was made twice for each scrape it was 1.3 to 1.6. */
const MOST = 1.1;

Deno.test(`a scrape of ${SUBSCRIPTIONS} subscriptions costs the daemon at most ${MOST} times what a plain server needs for as many lines`, async () => {
  await using costs = await ScrapeCosts.start(SUBSCRIPTIONS);
  await heldInOneOf(async () => {
    const { scrape, plain } = await costs.take();
    return {
      holds: scrape <= MOST * plain,
      figures: `${scrape.toFixed(1)} ms, the plain server ${plain.toFixed(1)} ms`,
    };
  });
});
