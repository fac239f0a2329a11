/** Facts in words, for the story of a life. */
import type { Fact } from "./fact.ts";

/** Who is in the story, and what is said of it. */
export function factText(fact: Fact): readonly [who: string, what: string] {
  const { at: _at, wall: _wall, is, ...rest } = fact;
  switch (fact.is) {
    case "asked":
      return ["client", `asks (${fact.ask}) ${JSON.stringify(fact.request)}`];
    case "done": {
      const receipts = (fact.receipts ?? []).map(({ n, seq }) => `event ${n} is ${seq}`);
      return [
        "client",
        `is told (${fact.ask}) done${receipts.length ? `: ${receipts.join(", ")}` : ""}`,
      ];
    }
    case "refused":
    case "lost":
      return ["client", `is told (${fact.ask}) ${fact.is}: ${fact.code}`];
    case "began": {
      const { event: { n, topic, seq }, subscription, attempt } = fact;
      return [
        fact.holder,
        `begins event ${n} (${topic} ${seq}) for ${subscription}, attempt ${attempt}, run ${fact.run}`,
      ];
    }
    case "ended":
      return ["consumer", `run ${fact.run} ends: ${fact.outcome}`];
    case "shown":
      return [fact.reader, `gets event ${fact.event.n} (${fact.event.topic} ${fact.event.seq})`];
    case "read":
      return [
        fact.reader,
        `reads ${fact.topic}: ${fact.events.map(({ n, seq }) => `${seq}=${n}`).join(" ")}`,
      ];
    case "down":
      return ["daemon", `is down: ${fact.how}${fact.said ? `: ${fact.said}` : ""}`];
    case "gone":
      return [fact.holder, "is gone"];
    default:
      return ["chaos", `${is} ${JSON.stringify(rest)}`];
  }
}
