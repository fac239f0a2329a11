/** A file of the spool: what is written is read, and whatever is changed or cut is recognized. */
import assert from "node:assert/strict";
import { decodeSpooled, encodeSpooled, keepLines } from "../../../core/spool/spool_file.ts";
import { redactSpooled } from "../../../core/spool/redact.ts";
import { linesIn } from "../../../core/base/bytes.ts";
import { crc32 } from "../../../core/base/checksum.ts";
import {
  listSpool,
  parseSpoolName,
  readSpooled,
  spoolName,
  tryLockSpool,
  writeSpooled,
} from "../../../core/spool/spool_folder.ts";
import { testFolder } from "../../helpers/folder.ts";
import fc from "../../packages/fast_check.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const files = fc.record({
  request: fc.record({
    at: fc.nat(),
    topic: fc.string({ minLength: 1 }),
    query: fc.dictionary(fc.string(), fc.string()),
  }),
  body: fc.uint8Array(),
});

/** The same members, without a prototype of their own. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

Deno.test("decodeSpooled reads what encodeSpooled wrote, and nothing that was changed or cut", () => {
  fc.assert(fc.property(files, fc.nat(), fc.nat({ max: 7 }), (file, place, bit) => {
    const bytes = encodeSpooled(file);
    const read = decodeSpooled(bytes)!;
    assert.deepEqual(plain(read.request), plain(file.request));
    assert.deepEqual(read.body, file.body);
    const at = place % bytes.length;
    assert.equal(decodeSpooled(bytes.subarray(0, at)), undefined, `cut at ${at}`);
    bytes[at]! ^= 1 << bit;
    assert.equal(decodeSpooled(bytes), undefined, `bit ${bit} of ${at}`);
  }));
});

Deno.test("keepLines leaves out lines, and the others keep their numbers", () => {
  const lines = fc.array(fc.constantFrom("1", '{"a":2}', "", " ", "\t\r"), { maxLength: 20 });
  fc.assert(fc.property(lines, fc.nat({ max: 50 }), fc.nat({ max: 1 }), (texts, line, odd) => {
    const request = { at: 0, topic: "t", query: { line: String(line) } };
    const body = encoder.encode(texts.map((text) => `${text}\n`).join(""));
    const kept = keepLines({ request, body }, (number) => number % 2 === odd);
    const expected = texts.map((text, i) =>
      text.trim() !== "" && (line + i) % 2 === odd ? text : ""
    );
    const left = Array.from(linesIn(kept.body), ({ bytes }) => decoder.decode(bytes));
    assert.deepEqual(left, expected);
    assert.equal(kept.kept, expected.filter((text) => text !== "").length);
  }));
});

Deno.test("parseSpoolName reads what spoolName made, and no other name", () => {
  const name = spoolName({ number: 7, events: 2, bytes: 99, tag: "0123abcd" });
  assert.deepEqual(parseSpoolName(name), {
    name,
    number: 7,
    events: 2,
    bytes: 99,
    tag: "0123abcd",
  });
  for (const other of [".new-0123abcd", `${name}.bak`, `x${name}`, "refused", "../1-1-1-1.spool"]) {
    assert.equal(parseSpoolName(other), undefined, other);
  }
});

Deno.test("listSpool has whole files in order, whatever else is in the folder", async () => {
  const folder = await testFolder("test");
  try {
    assert.deepEqual(listSpool(`${folder}/none`), []);
    // As texts, the first of them would come before the second.
    const names = [10 ** 12, 10 ** 12 - 1, 2, 1].map((number) =>
      spoolName({ number, events: 1, bytes: 3, tag: "00000000" })
    );
    for (const name of names) writeSpooled({ folder, name }, encoder.encode(name), { mode: 0o600 });
    await Deno.writeTextFile(`${folder}/.new-00000000`, "half");
    await Deno.mkdir(`${folder}/${spoolName({ number: 3, events: 1, bytes: 3, tag: "00000000" })}`);
    const found = listSpool(folder).map(({ name }) => name);
    assert.deepEqual(found, names.toReversed());
    assert.equal(decoder.decode(readSpooled(`${folder}/${names[0]}`)), names[0]);
    assert.equal((await Deno.stat(`${folder}/${names[0]}`)).mode! & 0o777, 0o600);
    assert.equal(readSpooled(`${folder}/nothing`), undefined);
    await Deno.symlink(`${folder}/${names[0]}`, `${folder}/link`);
    assert.equal(readSpooled(`${folder}/link`)?.length, 0, "a link is not followed");
    await Deno.link(`${folder}/${names[0]}`, `${folder}/second`);
    assert.equal(readSpooled(`${folder}/second`)?.length, 0, "a second name");
    using lock = tryLockSpool(folder);
    assert.ok(lock);
    assert.equal(tryLockSpool(folder), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("redactSpooled removes an event wherever it is, and leaves the others their ids", async () => {
  const folder = await testFolder("test");
  const put = (number: number, query: Record<string, string>, body: string, refused?: string) => {
    const request = {
      at: 0,
      topic: "t",
      query,
      ...(refused === undefined ? {} : {
        refused: [{ line: 2, code: "event/schema-violation", message: refused }],
      }),
    };
    const bytes = encodeSpooled({ request, body: encoder.encode(body) });
    const name = spoolName({ number, events: 1, bytes: bytes.length, tag: "00000000" });
    const place = refused === undefined ? folder : `${folder}/refused`;
    writeSpooled({ folder: place, name }, bytes, { mode: 0o600 });
  };
  try {
    await Deno.mkdir(`${folder}/refused`);
    put(1, { type: "x", id: "alone" }, '"secret1"\n');
    put(2, { type: "x", idPrefix: "p", line: "5" }, '"a"\n"secret2"\n"c"\n');
    put(
      3,
      { idPrefix: "q" },
      '{"id":"own","type":"x","payload":"secret3"}\n{"type":"x","payload":1}\n',
    );
    put(4, { type: "x", idPrefix: "r" }, '\n"secret4"\n"d"\n', "it says secret4");
    assert.equal(redactSpooled(folder, { topic: "other", id: "alone" }), 0);
    for (const id of ["alone", "p-6", "own", "r-2"]) {
      assert.equal(redactSpooled(folder, { topic: "t", id }), 1, id);
      assert.equal(redactSpooled(folder, { topic: "t", id }), 0, id);
    }
    const left = [folder, `${folder}/refused`].flatMap((place) =>
      listSpool(place).map(({ name }) => readSpooled(`${place}/${name}`)!)
    );
    const texts = left.map((bytes) => decoder.decode(decodeSpooled(bytes)!.body));
    assert.deepEqual(texts, ['"a"\n\n"c"\n', '\n{"type":"x","payload":1}\n', '\n\n"d"\n']);
    for (const bytes of left) assert.doesNotMatch(decoder.decode(bytes), /secret/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("decodeSpooled takes no file whose time is no time", () => {
  const body = encoder.encode("1\n");
  for (const at of ["1e999", "-1", "0.5", '"0"', "null"]) {
    const head = `{"at":0,"topic":"t","query":{"type":"x"}}`;
    const whole = encodeSpooled({ request: JSON.parse(head), body });
    assert.ok(decodeSpooled(whole));
    const text = decoder.decode(whole).replace('"at":0', `"at":${at}`);
    const begin = text.indexOf("{");
    const sum = (crc32(encoder.encode(text.slice(begin))) >>> 0).toString(16).padStart(8, "0");
    const bytes = encoder.encode(
      text.slice(0, begin).replace(/[0-9a-f]{8}/, sum) + text.slice(begin),
    );
    assert.equal(decodeSpooled(bytes), undefined, at);
  }
});
