/** All schemas, by type. */
/** @jsx h */
/** @jsxFrag Fragment */
import { Fragment, h, useMemo } from "../packages/preact.ts";
import type { SchemaInfo } from "../../core/protocol/schemas.ts";
import { useLive } from "../data/live.ts";
import { FilterBox } from "../parts/filter_box.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Ago } from "../parts/time.tsx";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { escapeText } from "../view/format.ts";
import { hashOf, type Place } from "../view/place.ts";
import { type SchemaType, schemaTypes } from "../view/schema_rows.ts";
import { matching } from "../view/subscription_rows.ts";

/** The page. */
export function SchemasPage({ place }: { place: Place }) {
  const live = useLive<{ schemas: SchemaInfo[] }>("/v1/schemas", { every: 5_000 });
  return (
    <>
      <div class="bar">
        <h1 tabIndex={-1}>Schemas</h1>
        <FilterBox place={place} name="name" label="Type" />
      </div>
      <Loaded live={live}>
        {({ schemas }) => <SchemaTable all={schemas} text={place.query.get("name") ?? ""} />}
      </Loaded>
    </>
  );
}

const columns: readonly Column<SchemaType>[] = [
  {
    name: "type",
    title: "Type",
    width: "minmax(9rem, 3fr)",
    cell: ({ name }) => <a href={hashOf(["schemas", name])}>{escapeText(name)}</a>,
  },
  {
    name: "latest",
    title: "Latest",
    width: "minmax(4.5rem, 1fr)",
    cell: ({ latest }) => escapeText(latest),
  },
  {
    name: "versions",
    title: "Versions",
    width: "5rem",
    from: 420,
    isNumber: true,
    cell: ({ versions }) => versions.length,
  },
  {
    name: "compatibility",
    title: "Compatibility",
    width: "minmax(6.5rem, 1fr)",
    from: 560,
    cell: ({ compatibility }) => compatibility,
  },
  {
    name: "registered",
    title: "Registered",
    width: "minmax(6.5rem, 1fr)",
    from: 640,
    cell: ({ registeredAt }) => <Ago at={registeredAt} />,
  },
];

function SchemaTable({ all, text }: { all: readonly SchemaInfo[]; text: string }) {
  const rows = useMemo(() => matching(schemaTypes(all), text), [all, text]);
  if (all.length === 0) return <Empty>There are no schemas. evs schema register adds one.</Empty>;
  if (rows.length === 0) return <Empty>No type has this in its name.</Empty>;
  return <VirtualTable label="Schemas" rows={rows} columns={columns} rowKey={({ name }) => name} />;
}
