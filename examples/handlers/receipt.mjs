#!/usr/bin/env node
/** Writes a receipt for an order, and publishes that it did. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

/** 65: it can never work, a dead letter at once. 75: it may work later, a retry. */
function end(code, why) {
  process.stderr.write(`${why}\n`);
  process.exit(code);
}

const total = JSON.parse(readFileSync(0, "utf8"))?.total;
if (typeof total !== "number" || total <= 0) end(65, "the order has no total");
const { RECEIPTS, EVS_SEQ } = process.env;
if (!existsSync(RECEIPTS)) end(75, `there is no folder ${RECEIPTS} yet`);
// The seq is the same in each delivery of an event: doing it twice makes one receipt.
const file = `${RECEIPTS}/${EVS_SEQ}.txt`;
try {
  writeFileSync(file, `total ${total}\n`);
} catch (error) {
  end(75, error.message);
}
// The id makes it one event, too. What caused it, evs knows.
const receipt = JSON.stringify({ file });
const words = ["publish", "receipts", "receipt.written", receipt, "--id", `receipt-${EVS_SEQ}`];
const { status, error } = spawnSync("evs", [...words, "--quiet"], { stdio: "inherit" });
if (status !== 0) end(75, `evs publish ended with ${error ?? status}`);
