/** Arguments and flags that the commands on schemas share. */
import { plainText, textFlag } from "../cli/define.ts";

export const typeArgument = {
  parse: plainText,
  brief: "The event type",
  placeholder: "TYPE",
} as const;

export const versionFlag = textFlag("This version instead of the latest", "VERSION");
