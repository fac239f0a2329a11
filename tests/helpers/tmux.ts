/** A real terminal (tmux) with a shell in it, as a person has it. Linux, and tmux on the PATH. */
import { denoDir, needTools, project } from "./shell.ts";

/** How the terminal is. */
export interface TmuxOptions {
  columns: number;
  rows: number;
  /** The daemon that `evs` uses there. */
  at: { socket: string; dataDir: string; folder: string };
  env?: Record<string, string>;
}

const PROMPT = "ready>";

/** A terminal. It ends with the test. */
export class Tmux implements AsyncDisposable {
  readonly #name = `evs-test-${crypto.randomUUID()}`;
  readonly #options: TmuxOptions;

  private constructor(options: TmuxOptions) {
    this.#options = options;
  }

  /** Starts a terminal, and waits for the shell in it. */
  static async start(options: TmuxOptions): Promise<Tmux> {
    needTools("tmux", "bash");
    const tmux = new Tmux(options);
    // A shell that reads no commands of a person, as tmux starts one, forgets the prompt.
    const size = ["-x", String(options.columns), "-y", String(options.rows)];
    await tmux.run(
      "new-session",
      "-d",
      ...size,
      `env PS1='${PROMPT} ' HISTFILE=/dev/null bash --norc --noprofile`,
    );
    await tmux.screen((text) => text.includes(PROMPT));
    return tmux;
  }

  /** Runs a command of tmux; its output. */
  async run(...args: string[]): Promise<string> {
    const { at, env } = this.#options;
    const { code, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-L", this.#name, "-f", "/dev/null", ...args],
      clearEnv: true,
      cwd: at.folder,
      env: {
        PATH: `${project}/bin:${Deno.env.get("PATH")}`,
        HOME: at.folder,
        LANG: "C.UTF-8",
        TERM: "xterm-256color",
        DENO_DIR: denoDir(),
        EVS_DENO: Deno.execPath(),
        EVS_SOCKET: at.socket,
        EVS_DATA_DIR: at.dataDir,
        ...env,
      },
    }).output();
    const decoder = new TextDecoder();
    if (code !== 0) throw new Error(`tmux ${args.join(" ")}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  }

  /** Types text, and Enter after it. */
  async type(text: string): Promise<void> {
    await this.run("send-keys", "-l", text);
    await this.run("send-keys", "Enter");
  }

  /** Presses keys, by the names that tmux has for them. */
  async press(...keys: string[]): Promise<void> {
    await this.run("send-keys", ...keys);
  }

  /** What the terminal shows, once it is so. Throws after two minutes. */
  async screen(
    isSo: (text: string) => boolean = () => true,
    { colours = false }: { colours?: boolean } = {},
  ): Promise<string> {
    const deadline = Date.now() + LONGEST_WAIT_MS;
    for (;;) {
      const text = await this.run("capture-pane", "-p", ...(colours ? ["-e"] : []));
      if (isSo(text)) return text;
      if (Date.now() > deadline) throw new Error(`the terminal shows something else:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Runs a command line in the shell, which waits; its output, without the line itself. */
  async output(command: string): Promise<string> {
    const mark = crypto.randomUUID().slice(0, 8);
    await this.type(`clear; ${command}; echo "end-"${mark}`);
    const text = await this.screen((text) => text.includes(`end-${mark}`));
    return text.slice(0, text.indexOf(`end-${mark}`)).replace(/\n/g, "").trim();
  }

  /** What the terminal is set to: other screen, cursor, wrapping, mouse, pasted text marked. */
  async modes(): Promise<string> {
    const names = ["alternate_on", "cursor_flag", "wrap_flag", "mouse_any_flag", "keypad_flag"];
    const format = names.map((name) => `${name}=#{${name}}`).join(" ");
    return (await this.run("display-message", "-p", format)).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("kill-server");
  }
}

const LONGEST_WAIT_MS = 120_000;
