/** The schema of a type: its versions, what changed between two of them, who uses it. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h } from "../packages/preact.ts";
import type { SchemaDiff, SchemaInfo } from "../../core/protocol/schemas.ts";
import { pathSegment, pathWith, send } from "../data/api.ts";
import { useLive } from "../data/live.ts";
import { useSession } from "../data/session.ts";
import { Badge } from "../parts/badge.tsx";
import { Choice } from "../parts/choice.tsx";
import { Copyable } from "../parts/copyable.tsx";
import { Facts } from "../parts/facts.tsx";
import { JsonBlock } from "../parts/json_block.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { PlainTable } from "../parts/plain_table.tsx";
import { TopicLink } from "../parts/place_link.tsx";
import { At } from "../parts/time.tsx";
import { evsCommand } from "../view/command_line.ts";
import { escapeText } from "../view/format.ts";
import { hashOf, type Place } from "../view/place.ts";
import { rawMembers } from "../view/raw_event.ts";
import {
  type ChannelDocument,
  comparedVersions,
  type SchemaType,
  schemaTypes,
  topicsOfType,
} from "../view/schema_rows.ts";

/** The page. */
export function SchemaPage({ type, place }: { type: string; place: Place }) {
  const live = useLive<{ schemas: SchemaInfo[] }>("/v1/schemas", { every: 5_000 });
  return (
    <>
      <p class="crumbs">
        <a href={hashOf(["schemas"])}>Schemas</a>
      </p>
      <h1 tabIndex={-1}>{escapeText(type)}</h1>
      <Loaded live={live}>
        {({ schemas }) => {
          const found = schemaTypes(schemas).find(({ name }) => name === type);
          return found === undefined
            ? <Empty>{escapeText(type)} has no schema.</Empty>
            : <About type={found} place={place} />;
        }}
      </Loaded>
    </>
  );
}

function About({ type, place }: { type: SchemaType; place: Place }) {
  const { from, to } = comparedVersions(type, place.query);
  return (
    <>
      <Facts
        facts={{
          "Latest": escapeText(type.latest),
          "Compatibility": type.compatibility,
          "Registered": <At at={type.registeredAt} />,
          "Topics": <UsedBy type={type.name} />,
        }}
      />
      <VersionChoice type={type} from={from} to={to} />
      {from === to ? null : <Difference type={type.name} from={from} to={to} />}
      <SchemaText type={type.name} version={to} />
    </>
  );
}

/** Which topics have events of the type. */
function UsedBy({ type }: { type: string }) {
  const { data } = useLive<ChannelDocument>("/v1/asyncapi", { every: 60_000 });
  if (data === undefined) return <span class="quiet">…</span>;
  const topics = topicsOfType(data, type);
  if (topics.length === 0) return <span class="quiet">none</span>;
  return (
    <>
      {topics.slice(0, 20).map((name, i) => (
        <span key={name}>
          {i === 0 ? "" : ", "}
          <TopicLink name={name} />
        </span>
      ))}
      {topics.length > 20 ? ` and ${topics.length - 20} more` : ""}
    </>
  );
}

function VersionChoice({ type, from, to }: { type: SchemaType; from: string; to: string }) {
  const choose = (change: { from?: string; to?: string }) => {
    location.hash = hashOf(["schemas", type.name], { from, to, ...change });
  };
  const options = type.versions.map(({ version }) => [version, escapeText(version)] as const);
  return (
    <div class="acts">
      <Choice
        label="Version"
        value={to}
        options={options}
        onValue={(version) => choose({ to: version })}
      />
      <Choice
        label="Compared with"
        value={from}
        options={options}
        onValue={(version) => choose({ from: version })}
      />
    </div>
  );
}

interface Compared {
  type: string;
  from: string;
  to: string;
}

function Difference({ type, from, to }: Compared) {
  const live = useLive<SchemaDiff>(
    pathWith(`/v1/schemas/${pathSegment(type)}/diff`, { from, to }),
    { every: 30_000 },
  );
  const { evs } = useSession();
  return (
    <section>
      <h2>From {escapeText(from)} to {escapeText(to)}</h2>
      <Loaded live={live}>
        {(diff) => (
          <>
            <Breaks
              title="Backward"
              fine={`${to} takes every payload of ${from}.`}
              faults={diff.backward}
            />
            <Breaks
              title="Forward"
              fine={`${from} takes every payload of ${to}.`}
              faults={diff.forward}
            />
            <Changes diff={diff} />
          </>
        )}
      </Loaded>
      <Copyable
        text={evsCommand(evs, { words: ["schema", "diff", type, from, to] })}
        label="The command line"
      />
    </section>
  );
}

function Breaks(
  { title, fine, faults }: { title: string; fine: string; faults: SchemaDiff["backward"] },
) {
  const isFine = faults.length === 0;
  return (
    <div>
      <p>
        <Badge tone={isFine ? "good" : "bad"}>
          {title}: {isFine ? "compatible" : "not compatible"}
        </Badge>{" "}
        {isFine ? <span class="quiet">{escapeText(fine)}</span> : null}
      </p>
      <ul class="plain-list">
        {faults.map(({ pointer, message }) => (
          <li key={`${pointer} ${message}`}>
            <code>{escapeText(pointer || "/")}</code> {escapeText(message)}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Changes({ diff: { changes } }: { diff: SchemaDiff }) {
  if (changes.length === 0) return <p class="quiet">Nothing is different.</p>;
  return (
    <PlainTable label="Changes" heads={["Where", "Change", "Before", "After"]}>
      {changes.map(({ pointer, change, old, new: after }) => (
        <tr key={`${change} ${pointer}`}>
          <th scope="row">
            <code>{escapeText(pointer || "/")}</code>
          </th>
          <td>{change}</td>
          <td class="wrap">{old === undefined ? "" : <code>{valueText(old)}</code>}</td>
          <td class="wrap">{after === undefined ? "" : <code>{valueText(after)}</code>}</td>
        </tr>
      ))}
    </PlainTable>
  );
}

function valueText(value: unknown): string {
  return escapeText(JSON.stringify(value));
}

/** As it was registered. */
function SchemaText({ type, version }: { type: string; version: string }) {
  const live = useLive<string>(pathWith(`/v1/schemas/${pathSegment(type)}`, { version }), {
    load: async (path, signal) =>
      rawMembers(await (await send(path, { signal })).text()).get("schema") ?? "",
    every: 30_000,
  });
  return (
    <section>
      <h2>Version {escapeText(version)}</h2>
      <Loaded live={live}>
        {(json) => <JsonBlock json={json} label={`Schema of ${type} ${version}`} />}
      </Loaded>
    </section>
  );
}
