/**
 * Streams of bytes that are, or nearly are, requests of HTTP/1.1: pipelined, framed in every way,
 * with what smuggling is made of.
 */
import fc from "../packages/fast_check.ts";

/** A stream, a character a byte. */
export interface HttpStream {
  text: string;
  /** Nothing is wrong with it. */
  isValid: boolean;
}

const name = fc.constantFrom("x-a", "X-B", "accept", "Cookie", "ce-id", "x_y", "a!#$%&'*+-.^`|~9");
const value = fc.oneof(
  fc.constantFrom("", "1", "a, b", "  padded\t ", "\xe9\x80", '"q;u"', "x:y", "a".repeat(300)),
  fc.stringMatching(/^[!-~]{0,12}$/),
);
const header = fc.tuple(name, fc.constantFrom(": ", ":", ":\t "), value).map((all) => all.join(""));

/** Headers that change what a request is, valid ones. */
const special = fc.constantFrom(
  "connection: keep-alive",
  "Connection: close",
  "connection: Keep-Alive, x",
  "expect: 100-continue",
  "connection: upgrade\r\nupgrade: websocket",
  "te: trailers",
);

/** Headers that only an attacker or a broken client sends. */
const hostile = fc.constantFrom(
  ...[
    "content-length: 5\r\ncontent-length: 5",
    "content-length: 5\r\nContent-Length: 6",
    "content-length: 5, 5",
    "content-length: +5",
    "content-length: 0x5",
    "content-length: 5 6",
    "content-length: 99999999999999999999",
    "content-length: 18446744073709551617",
    "content-length:",
    "content-length: -1",
  ],
  ...[
    "transfer-encoding: chunked\r\ncontent-length: 3",
    "content-length: 3\r\ntransfer-encoding: chunked",
    "transfer-encoding: gzip, chunked",
    "transfer-encoding: chunked, gzip",
    "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    "transfer-encoding: chunked\r\ntransfer-encoding: identity",
    "transfer-encoding: identity",
    "transfer-encoding: xchunked",
    "transfer-encoding: \x0bchunked",
    "Transfer-Encoding : chunked",
    "transfer-encoding:",
    "transfer_encoding: chunked",
  ],
  ...[
    " folded: x",
    "\tfolded",
    "x: a\r\n folded",
    "no colon",
    ": no name",
    "na me: x",
    "x\0: y",
    "x: \0",
    "x: a\rb",
    "x: a\nb: c",
    "x: \x7f",
    "\xe9: x",
    "connection: close, keep-alive",
    "proxy-connection: close",
  ],
);

const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS");
const target = fc.constantFrom(
  "/",
  "/v1/topics/t/events?type=a",
  "/%2e%2e/%00",
  "/a//b?c=d&e",
  "*",
);
const oddTarget = fc.constantFrom(
  ...[
    "http://e/v1",
    "http://",
    "",
    "a",
    "?x",
    "//",
    "/\xe9",
    "/a b",
    "/#f",
    "e:80",
    "/\t",
    "/\x7f",
  ],
);
const oddMethod = fc.constantFrom(
  "CONNECT",
  "get",
  "G\xe9T",
  "PROPFIND",
  "QUERY",
  "FOO",
  "M-SEARCH",
);
const version = fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0");
const oddVersion = fc.constantFrom(
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "http/1.1",
  "HTTP/1.1 ",
  "HTTP/11",
  "",
);

const body = fc.oneof(
  fc.constantFrom("", "hello", "0\r\n\r\n", "GET /smuggled HTTP/1.1\r\nhost: e\r\n\r\n"),
  fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 40 }),
);

type Framing = (body: string) => { headers: string[]; text: string };

function inChunks(body: string, { size, extension = "", trailers = "" }: {
  size: number;
  extension?: string;
  trailers?: string;
}): string {
  let text = "";
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size);
    text += `${part.length.toString(16)}${extension}\r\n${part}\r\n`;
  }
  return `${text}0${extension}\r\n${trailers}\r\n`;
}

const chunked = "Transfer-Encoding: chunked";
const framing: fc.Arbitrary<Framing> = fc.constantFrom<Framing>(
  (body) => ({ headers: [`content-length: ${body.length}`], text: body }),
  (body) => ({ headers: [`Content-Length:   00${body.length} `], text: body }),
  (body) => ({ headers: [chunked], text: inChunks(body, { size: 3 }) }),
  (body) => ({ headers: [chunked], text: inChunks(body, { size: 20, extension: ";a=b" }) }),
  (body) => ({ headers: [chunked], text: inChunks(body, { size: 20, trailers: "x: y\r\n" }) }),
);
const oddFraming: fc.Arbitrary<Framing> = fc.constantFrom<Framing>(
  (body) => ({ headers: [], text: body }),
  (body) => ({ headers: [`content-length: ${body.length + 3}`], text: body }),
  (body) => ({ headers: [`content-length: ${Math.max(0, body.length - 2)}`], text: body }),
  ...[
    "g",
    "-1",
    "+1",
    "0x1",
    " 1",
    "1 ",
    "1;",
    "1; a",
    "1;a=",
    '1;a="b',
    '1;a="b\\"c"',
    "",
    "ffffffffffffffffff",
  ]
    .map((size): Framing => () => ({ headers: [chunked], text: `${size}\r\na\r\n0\r\n\r\n` })),
  () => ({ headers: [chunked], text: "1\na\n0\n\n" }),
  () => ({ headers: [chunked], text: "1\r\nab\r\n0\r\n\r\n" }),
  () => ({ headers: [chunked], text: "1\r\na\r\n0\r\nbad trailer\r\n\r\n" }),
  () => ({ headers: [chunked], text: "1\r\na\r\n0\r\n\n" }),
  () => ({ headers: [chunked], text: "000001\r\na\r\n000\r\n\r\n" }),
);

interface Parts {
  line: [method: string, target: string, version: string];
  headers: string[];
  framing: Framing;
  body: string;
}

const parts: fc.Arbitrary<Parts> = fc.record({
  line: fc.tuple(method, target, version),
  headers: fc.array(fc.oneof({ weight: 3, arbitrary: header }, { weight: 1, arbitrary: special }), {
    maxLength: 4,
  }),
  framing,
  body,
});

/** One thing that is wrong with a request. */
const fault: fc.Arbitrary<(parts: Parts) => Parts> = fc.oneof(
  hostile.map((line) => (parts: Parts) => ({ ...parts, headers: [...parts.headers, line] })),
  oddFraming.map((framing) => (parts: Parts) => ({ ...parts, framing })),
  oddTarget.map((target) => (p: Parts): Parts => ({ ...p, line: [p.line[0], target, p.line[2]] })),
  oddMethod.map((method) => (p: Parts): Parts => ({ ...p, line: [method, p.line[1], p.line[2]] })),
  oddVersion.map((version) => (p: Parts): Parts => ({
    ...p,
    line: [p.line[0], p.line[1], version],
  })),
);

function written({ line, headers, framing, body }: Parts): string {
  const hasBody = !["GET", "HEAD", "CONNECT"].includes(line[0]) || body.length % 2 === 1;
  // HTTP/1.0 has no chunks.
  const framed = hasBody ? framing(body) : { headers: [], text: "" };
  return [line.join(" "), "Host: e", ...headers, ...framed.headers, "", framed.text].join("\r\n");
}

/** False if one server or another may rightly refuse it, or end the connection after it. */
function isValid({ line: [, target, version], headers, framing }: Parts): boolean {
  if (target === "*") return false;
  if (version === "HTTP/1.0" && framing("").headers[0] === chunked) return false;
  return headers.filter((line) => /^connection:/i.test(line)).length < 2;
}

/** Requests without a fault, one after the other. */
export const validStream: fc.Arbitrary<HttpStream> = fc.tuple(
  fc.array(parts, { minLength: 1, maxLength: 4 }),
  fc.constantFrom("", "", "\r\n", "\r\n\r\n"),
).map(([all, before]) => ({
  text: before + all.map(written).join(""),
  isValid: all.every(isValid),
}));

/** Requests with a fault or two in one of them, or with a few bytes changed. */
export const faultyStream: fc.Arbitrary<HttpStream> = fc.oneof(
  fc.tuple(
    fc.array(parts, { maxLength: 2 }),
    parts,
    fc.array(fault, { minLength: 1, maxLength: 2 }),
    fc.array(parts, { maxLength: 2 }),
  ).map(([before, one, faults, after]) => ({
    text: [...before, faults.reduce((parts, fault) => fault(parts), one), ...after].map(written)
      .join(""),
    isValid: false,
  })),
  fc.tuple(
    validStream,
    fc.array(
      fc.record({
        at: fc.nat(),
        gone: fc.nat(2),
        added: fc.constantFrom(
          "",
          "",
          "\r",
          "\n",
          "\r\n",
          " ",
          "\t",
          ":",
          "\0",
          "\x80",
          "0",
          "a",
          ";",
        ),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  ).map(([{ text }, edits]) => ({
    text: edits.reduce((text, { at, gone, added }) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + added + text.slice(place + gone);
    }, text),
    isValid: false,
  })),
);
