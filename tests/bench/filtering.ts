/** P11: finding one in a thousand stored events, by type or by payload. */
import { OurDaemon } from "./contenders.ts";
import { payload, write } from "./input.ts";
import { type Bench, output, seconds, settle } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

/** A filter of ours, and the same in jq. */
interface Filter {
  title: string;
  flags: string;
  jq: string;
  goal: number;
}

/** P11: a result for each filter, from the same stored events. */
export async function readFiltered(bench: Bench, size: Size): Promise<Result[]> {
  const rare = size.events - size.events / 1000;
  const filters: Filter[] = [
    { title: "by type", flags: "--type rare", jq: '.type == "rare"', goal: 10 },
    {
      title: "where a number is large",
      flags: `--where 'payload.n > ${rare}'`,
      jq: `.payload.n > ${rare}`,
      goal: 4,
    },
    {
      title: "where a text is the same",
      flags: `--where 'payload.path == "/products/7"'`,
      jq: '.payload.path == "/products/7"',
      goal: 4,
    },
  ];
  const jq = await output(bench, "command -v jq") !== undefined;
  if (!jq) size.say("jq is not installed (apt-get install jq): its rows of P11 stay empty");
  await write(
    `${bench.folder}/envelopes`,
    size.events,
    (n) => `{"type":"${n % 1000 === 0 ? "rare" : "line"}","payload":${payload(n)}}\n`,
  );
  await using sqlite = await OurDaemon.start(bench, "--store sqlite");
  await using file = await OurDaemon.start(bench, "--store file");
  const daemons = { sqlite, file };
  for (const { bench: ours } of [sqlite, file]) {
    await seconds(ours, "evs publish bench --envelope <envelopes && evs replay bench >replayed");
  }
  const rates: Record<string, number[]> = {};
  const take = async (name: string, where: Bench, script: string) => {
    await settle(bench);
    (rates[name] ??= []).push(size.events / await seconds(where, script));
  };
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P11, round ${round}`);
    for (const { title, flags, jq: select } of filters) {
      for (const store of ["sqlite", "file"] as const) {
        const script = `evs replay bench ${flags} >${store}.out`;
        await take(`${title}, ${store}`, daemons[store].bench, script);
      }
      if (!jq) continue;
      await take(`${title}, jq`, bench, `jq -c 'select(${select})' replayed >jq.out`);
      await seconds(
        bench,
        "test $(wc -l <sqlite.out) = $(wc -l <jq.out) && test $(wc -l <file.out) = $(wc -l <jq.out)",
      );
    }
  }
  return filters.map(({ title, flags, jq: select, goal }) => ({
    id: "P11",
    title: `filtered replay, ${title}`,
    unit: "events/s",
    lowerIsBetter: false,
    series: [
      { name: `evs replay ${flags}, sqlite`, rounds: someOf(rates[`${title}, sqlite`]) },
      { name: `evs replay ${flags}, file`, rounds: someOf(rates[`${title}, file`]) },
      { name: `jq -c 'select(${select})'`, rounds: someOf(rates[`${title}, jq`]) },
    ],
    goals: [{ against: `jq -c 'select(${select})'`, ratio: goal }],
  }));
}
