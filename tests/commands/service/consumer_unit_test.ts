/** Which words of a command line of `evs service` the consumer keeps. */
import assert from "node:assert/strict";
import {
  consumerUnit,
  consumerUnitName,
  consumeWords,
} from "../../../commands/service/consumer_unit.ts";
import { systemPaths } from "../../../commands/service/installation.ts";
import { UnitFile } from "../../helpers/unit_file.ts";

const CASES: [what: string, typed: string, kept: string][] = [
  ["a plain line", "consume t --name n -- cmd", "consume t --name n --no-resume -- cmd"],
  [
    "flags of the service before the topic",
    "consume --user --force t --name=n -- cmd",
    "consume t --name=n --no-resume -- cmd",
  ],
  [
    "flags of the service with a value",
    "consume --as ada t --color never --name n --as=bob -- cmd",
    "consume t --name n --no-resume -- cmd",
  ],
  [
    "the command's own words",
    "consume t --name n --no-start -- cmd --user --as x -- --force",
    "consume t --name n --no-resume -- cmd --user --as x -- --force",
  ],
  ["an opinion on pauses", "consume t --name n --resume -- c", "consume t --name n --resume -- c"],
  [
    "the same in capitals",
    "consume t --name n --noResume -- c",
    "consume t --name n --noResume -- c",
  ],
  ["no dashes", "consume t --name n cmd --system", "consume t --name n cmd --no-resume"],
];

for (const [what, typed, kept] of CASES) {
  Deno.test(`consumeWords keeps the consumer's words when there is ${what}`, () => {
    assert.deepEqual(consumeWords(["service", "install", ...typed.split(" ")]), kept.split(" "));
  });
}

Deno.test("consumerUnitName is the subscription's when its name has every character that a name can have", () => {
  assert.equal(consumerUnitName("A-z_0.9"), "evs-consume-A-z_0.9.service");
});

Deno.test("consumerUnit keeps Deno's cache out of the data dir when the consumer runs as the daemon's user", () => {
  const place = {
    scope: "system",
    program: "/usr/lib/evs/bin/evs",
    paths: systemPaths(),
    home: "/root",
    runtimeFolder: undefined,
    runtime: {},
    caller: {},
    folder: "/",
  } as const;
  const options = { subscription: "billing", topic: "orders", words: ["consume"] };
  const own = new UnitFile(consumerUnit(place, options));
  assert.equal(own.one("Service.CacheDirectory"), "evs");
  assert.equal(own.environment["XDG_CACHE_HOME"], "/var/cache/evs");
  const others = new UnitFile(consumerUnit(place, { ...options, as: "ada" }));
  assert.deepEqual(others.all("Service.CacheDirectory"), []);
  assert.equal(others.environment["XDG_CACHE_HOME"], undefined, "that of ada's home");
});
