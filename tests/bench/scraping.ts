/**
 * P14: the processor time that one scrape of `/metrics` costs the daemon, against a server that does
 * nothing but make and send a text of as many lines.
 */
import { ScrapeCosts } from "../helpers/scrape_cost.ts";
import type { Bench } from "./process.ts";
import type { Result } from "./report.ts";
import type { Size } from "./workloads.ts";

const SUBSCRIPTIONS = 1000;
const PLAIN = "a plain server";

/** P14, one scrape. */
export async function scraping(_bench: Bench, { rounds, say }: Size): Promise<Result> {
  const figures: Record<"scrape" | "plain", number[]> = { scrape: [], plain: [] };
  await using costs = await ScrapeCosts.start(SUBSCRIPTIONS);
  for (let round = 1; round <= rounds; round++) {
    say(`P14, scraping, round ${round}`);
    const { scrape, plain } = await costs.take();
    figures.scrape.push(scrape);
    figures.plain.push(plain);
  }
  return {
    id: "P14",
    title: `a scrape of ${SUBSCRIPTIONS} subscriptions`,
    unit: "ms of processor time",
    lowerIsBetter: true,
    series: [{ name: "GET /metrics", rounds: figures.scrape }, {
      name: PLAIN,
      rounds: figures.plain,
    }],
    goals: [{ against: PLAIN, ratio: 1.1 }],
  };
}
