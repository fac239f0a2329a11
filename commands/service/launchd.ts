/** Property lists for launchd, the service manager of macOS. Nobody has run one yet. */
import { InvalidArgumentError } from "../../core/base/errors.ts";

/** What a job is made of. */
export interface LaunchdJob {
  label: string;
  words: readonly string[];
  variables: Readonly<Record<string, string>>;
  folder: string;
}

/** The text of a property list. Pure. */
export function propertyList({ label, words, variables, folder }: LaunchdJob): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  ${string(label)}
  <key>ProgramArguments</key>
  <array>
${words.map((word) => `    ${string(word)}\n`).join("")}  </array>
  <key>EnvironmentVariables</key>
  <dict>
${
    Object.entries(variables).map(([name, value]) =>
      `    <key>${escaped(name)}</key>\n    ${string(value)}\n`
    ).join("")
  }  </dict>
  <key>WorkingDirectory</key>
  ${string(folder)}
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>ProcessType</key>
  <string>Background</string>
</dict>
</plist>
`;
}

function string(text: string): string {
  return `<string>${escaped(text)}</string>`;
}

function escaped(text: string): string {
  // deno-lint-ignore no-control-regex -- these are what XML cannot hold
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text)) {
    throw new InvalidArgumentError(`a property list cannot hold ${JSON.stringify(text)}`, {
      hint: "put the command into a script",
    });
  }
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
