/**
 * What a killed backup left in or beside the data dir: a copy of the data that nobody knows about.
 */
import { folderOf } from "../../protocol/paths.ts";
import { leftBehind } from "../../data_dir/staging.ts";
import type { Check, Finding } from "./check.ts";

export const leftBehindFolders: Check = {
  name: "left-behind",
  *look({ dataDir }): Generator<Finding> {
    for (const folder of [folderOf(dataDir), dataDir]) {
      for (const path of leftBehind(folder)) {
        yield {
          level: "warning",
          where: path,
          what: "a backup that was killed left it behind",
          hint: "the next evs backup into that folder removes it; or remove it yourself",
        };
      }
    }
  },
};
