/**
 * Registers what only brokers on a database use (core/base/module_registry.ts): imported for that
 * alone.
 */
import { registerModules } from "../base/module_registry.ts";
import * as sharedJobs from "../dead_letter/shared_jobs.ts";
import * as sharedLimits from "../dead_letter/shared_limits.ts";
import * as sharedMove from "../dead_letter/shared_move.ts";
import * as sharedSeek from "../delivery/shared_seek.ts";

registerModules({
  "core/dead_letter/shared_jobs.ts": sharedJobs,
  "core/dead_letter/shared_limits.ts": sharedLimits,
  "core/dead_letter/shared_move.ts": sharedMove,
  "core/delivery/shared_seek.ts": sharedSeek,
});
