/**
 * From the socket to the output of a follower: a stand-in for the daemon sends events to each of
 * some programs in turn, a chunk each. Prints the time until one event is read from the program's
 * output, and until all of a thousand that are sent at once are, with the processor time of the
 * program for each.
 *
 * `deno run -A tests/bench/tail_output.ts EVENTS NAME=COMMAND...`; a command finds the socket in
 * `EVS_SOCKET`: `now="evs tail t"`, or the same of another tree. The least for one event is
 * `copy="deno run -A tests/bench/clients/copy_lines.ts"`, which does not look for the frames of
 * many.
 */
import { percentiles } from "./clients/percentiles.ts";

const WARM = 300;
const BURST = 1000;
const BURSTS = 5;
const PAUSE_MS = 2;
const HEAD = "HTTP/1.1 200 OK\r\nevs-protocol: 1\r\n";

const encoder = new TextEncoder();
const [events = "500", ...commands] = Deno.args;

/** A program that follows, and its connection. */
interface Follower {
  name: string;
  child: Deno.ChildProcess;
  conn: Deno.Conn;
  output: ReadableStreamDefaultReader<Uint8Array>;
  times: number[];
  bursts: number[];
  /** Processor time of single events and of bursts, ms. */
  cpu: { single: number; burst: number };
  sent: number;
}

/** Answers until a follower asks for events; returns its connection. */
async function answer(listener: Deno.Listener): Promise<Deno.Conn> {
  const { promise, resolve } = Promise.withResolvers<Deno.Conn>();
  const serve = async (conn: Deno.Conn) => {
    const buffer = new Uint8Array(4096);
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      const isAboutTopic = new TextDecoder().decode(buffer).startsWith("GET /v1/topics");
      const rest = isAboutTopic
        ? "content-type: application/json\r\ncontent-length: 24\r\n\r\n" +
          '{"name":"t","lastSeq":0}'
        : "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
      await conn.write(encoder.encode(HEAD + rest));
      if (!isAboutTopic) resolve(conn);
    }
  };
  (async () => {
    for await (const conn of listener) void serve(conn);
  })();
  return await promise;
}

async function start(named: string): Promise<Follower> {
  const [name = "", ...command] = named.split("=");
  const path = `${Deno.makeTempDirSync()}/s`;
  const listener = Deno.listen({ transport: "unix", path });
  const child = new Deno.Command("sh", {
    args: ["-c", `exec ${command.join("=")}`],
    env: { EVS_SOCKET: path, EVS_DATA_DIR: `${path}.data`, EVS_CONFIG: `${path}.config` },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const conn = await answer(listener);
  const output = child.stdout.getReader();
  const cpu = { single: 0, burst: 0 };
  return { name, child, conn, output, times: [], bursts: [], cpu, sent: 0 };
}

/** Processor time of all threads, ms. */
function cpuOf({ child: { pid } }: Follower): number {
  let ms = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    ms += Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ")[0]) / 1e6;
  }
  return ms;
}

/** Sends so many events; resolves with the ms until all are read from the output. */
async function pass(to: Follower, count: number): Promise<number> {
  let [wire, length] = ["", 0];
  for (let n = 0; n < count; n++) {
    const line =
      `{"seq":${++to.sent},"id":"0199-${n}","type":"line","topic":"t","timestamp":1796000` +
      `000000,"schemaVersion":"1.0","metadata":{},"payload":"${"x".repeat(100)}"}\n`;
    wire += `${line.length.toString(16)}\r\n${line}\r\n`;
    length += line.length;
  }
  const bytes = encoder.encode(wire);
  const began = performance.now();
  const sending = (async () => {
    for (let at = 0; at < bytes.length;) at += await to.conn.write(bytes.subarray(at));
  })();
  while (length > 0) length -= (await to.output.read()).value!.length;
  await sending;
  return performance.now() - began;
}

const followers: Follower[] = [];
for (const command of commands) followers.push(await start(command));
const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
let before: number[] = [];
for (let n = -WARM; n < Number(events); n++) {
  if (n === 0) before = followers.map(cpuOf);
  for (const one of followers) {
    await pause();
    const ms = await pass(one, 1);
    if (n >= 0) one.times.push(ms);
  }
}
followers.forEach((one, i) => one.cpu.single = cpuOf(one) - before[i]!);
for (let n = 0; n < BURSTS; n++) {
  for (const one of followers) {
    const began = cpuOf(one);
    one.bursts.push(await pass(one, BURST));
    one.cpu.burst += cpuOf(one) - began;
  }
}
const us = (ms: number, of: number) => Number((ms * 1000 / of).toFixed(1));
for (const { name, times, bursts, cpu, child } of followers) {
  const { p50, p99 } = percentiles(Float64Array.from(times));
  const single = { p50: us(p50, 1), p99: us(p99, 1), cpu: us(cpu.single, times.length) };
  const burst = {
    p50: us(percentiles(Float64Array.from(bursts)).p50, 1),
    cpu: us(cpu.burst, BURSTS * BURST),
  };
  const printed = JSON.stringify({ name, unit: "us", single, burst });
  Deno.stdout.writeSync(encoder.encode(`${printed}\n`));
  child.kill("SIGTERM");
}
Deno.exit(0);
