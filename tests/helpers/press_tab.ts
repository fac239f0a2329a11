/**
 * Tab pressed in real shells: bash and zsh at a terminal that `script` makes, fish by its own
 * `complete -C`. One process a shell answers many questions.
 */
import assert from "node:assert/strict";
import type { Shell } from "../../commands/completion/scripts.ts";
import { DEADLINE, type Place } from "./shell.ts";

/** What Tab did. */
export interface Pressed {
  /**
   * For each line, the words that replaced its last one, as a command would receive them; the word
   * itself if nothing was offered.
   */
  offered: string[][];
  /** What the terminal showed; for fish, its stderr. */
  screen: string;
}

/** A line whose last word is completed. */
export interface TypedLine {
  line: string;
  /** Insert all words that are offered; Tab would only insert their common prefix. */
  several: boolean;
}

/** Types each line and completes its last word. */
export async function pressTab(
  shell: Shell,
  { place, lines }: { place: Place; lines: readonly TypedLine[] },
): Promise<Pressed> {
  return shell === "fish"
    ? await inFish(place, lines.map(({ line }) => line))
    : await atTerminal(shell, { place, lines });
}

const PROMPT = "ready> ";

/**
 * Ctrl-O inserts everything that is offered. Ctrl-T prints the arguments that the line would pass to
 * a command, and clears the line.
 */
const TELL = `{
  eval "set -- $line" 2>/dev/null || set -- "cannot be read: $line"
  printf '\\036answer'
  printf '\\037%s' "$@"
  printf '\\036'
}`;

const SETUP = {
  bash: `PS1='${PROMPT}'
source <(evs completions bash)
bind 'set bell-style none'
bind '"\\C-o": insert-completions'
tell() {
  local line="$READLINE_LINE"
  ${TELL}
  READLINE_LINE="" READLINE_POINT=0
}
bind -x '"\\C-t": tell'
`,
  zsh: `PS1='${PROMPT}'
autoload -Uz compinit
compinit -u -D
source <(evs completions zsh)
setopt no_beep
take() { _main_complete; compstate[insert]=all; compstate[list]= }
zle -C take complete-word take
bindkey '^O' take
tell() {
  local line="$BUFFER"
  ${TELL}
  BUFFER=""
}
zle -N tell
bindkey '^T' tell
`,
};

async function atTerminal(
  shell: "bash" | "zsh",
  { place, lines }: { place: Place; lines: readonly TypedLine[] },
): Promise<Pressed> {
  const folder = `${place.folder}/tmp`;
  const setup = `${folder}/${shell === "zsh" ? ".zshrc" : "setup.bash"}`;
  await Deno.writeTextFile(setup, SETUP[shell]);
  const command = shell === "zsh" ? "zsh -d -i" : `bash --rcfile ${setup} -i`;
  const child = new Deno.Command("timeout", {
    args: [DEADLINE, "script", "-qec", `stty cols 400 rows 50; exec ${command}`, "/dev/null"],
    cwd: `${place.folder}/work`,
    env: { ...place.env, TERM: "xterm", ZDOTDIR: folder, LC_ALL: "C.UTF-8" },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter();
  const type = (text: string) => keys.write(new TextEncoder().encode(text));
  const screen = new Screen(child.stdout);
  await screen.until(new RegExp(PROMPT));
  const offered: string[][] = [];
  for (const { line, several } of lines) {
    await type(`${line}${several ? "\x0f" : "\t"}\x14`);
    // deno-lint-ignore no-control-regex -- the marks that the shell prints around an answer
    const [, answer] = await screen.until(/\x1eanswer([^\x1e]*)\x1e/);
    offered.push(answer!.split("\x1f").slice(line.split(" ").length));
  }
  await type("exit\r");
  await screen.end();
  await child.status;
  await keys.close().catch(() => {}); // `script` has ended
  return { offered, screen: screen.text };
}

/** What a terminal has shown so far. */
class Screen {
  text = "";
  #seen = 0;
  #reader: ReadableStreamDefaultReader<string>;

  constructor(output: ReadableStream<Uint8Array>) {
    this.#reader = output.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Waits for what comes next and matches. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const found = pattern.exec(this.text.slice(this.#seen));
      if (found !== null) {
        this.#seen += found.index + found[0].length;
        return found;
      }
      assert.ok(await this.#more(), `${pattern} did not come:\n${JSON.stringify(this.text)}`);
    }
  }

  /** Waits for the end. */
  async end(): Promise<void> {
    while (await this.#more());
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#reader.read();
    this.text += value ?? "";
    return !done;
  }
}

async function inFish(place: Place, lines: readonly string[]): Promise<Pressed> {
  await Deno.writeTextFile(
    `${place.folder}/tmp/setup.fish`,
    `evs completions fish | source
for line in $argv
  set -l offered (complete --escape -C $line | string replace -r '\\t.*' '')
  # fish puts them into the line as they are: what a command would get is what it reads there.
  printf '%s\\037' (eval printf "'%s\\n'" $offered)
  echo
end
`,
  );
  const { code, stdout, stderr } = await new Deno.Command("timeout", {
    args: [DEADLINE, "fish", "--no-config", `${place.folder}/tmp/setup.fish`, ...lines],
    cwd: `${place.folder}/work`,
    env: { ...place.env, LC_ALL: "C.UTF-8" },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const screen = decoder.decode(stderr);
  assert.equal(code, 0, screen);
  const offered = decoder.decode(stdout).trimEnd().split("\n").map((answer, index) => {
    const words = answer.split("\x1f").filter((word) => word !== "");
    return words.length > 0
      ? words
      : [lines[index]!.split(" ").at(-1)!].filter((word) => word !== "");
  });
  return { offered, screen };
}
