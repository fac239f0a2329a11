/** `evs schema`: what payloads must look like. */
import { group } from "../cli/define.ts";
import { check } from "./check.ts";
import { diff } from "./diff.ts";
import { list } from "./list.ts";
import { register } from "./register.ts";
import { remove } from "./remove.ts";
import { show } from "./show.ts";

export const route = group({
  brief: "Register, list, compare and check schemas",
  description:
    "Where a JSON Schema is registered for an event type, payloads of that type are checked before they are stored.",
  routes: { register, list, show, check, diff, remove },
});
