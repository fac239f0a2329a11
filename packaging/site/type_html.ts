/** Types, parameters and signatures of TypeScript as HTML, with links to the symbols they name. */
import type { DocCallable, DocMember, DocParam, DocType, DocTypeParam } from "./doc_json.ts";
import { escapeHtml } from "./html.ts";

/** A name as HTML: a link if it has a page. */
export type NameHtml = (name: string) => string;

/** Renders what stands in signatures. */
export class TypeHtml {
  readonly #name: NameHtml;

  constructor(name: NameHtml) {
    this.#name = name;
  }

  /** A type; `unknown` if there is none. */
  type(type: DocType | undefined): string {
    if (type === undefined) return "unknown";
    const { value } = type;
    switch (type.kind) {
      case "keyword":
      case "typeQuery":
        return (type.kind === "typeQuery" ? "typeof " : "") + escapeHtml(value);
      case "this":
        return "this";
      case "literal":
        return this.#literal(type);
      case "typeRef":
        return this.#name(value.typeName) + this.#arguments(value.typeParams);
      case "union":
        return this.#list(value, " | ");
      case "intersection":
        return this.#list(value, " &amp; ");
      case "array":
        return `${this.#tight(value)}[]`;
      case "tuple":
        return `[${this.#list(value, ", ")}]`;
      case "typeOperator":
        return `${value.operator} ${this.type(value.tsType)}`;
      case "parenthesized":
        return `(${this.type(value)})`;
      case "rest":
        return `...${this.type(value)}`;
      case "optional":
        return `${this.type(value)}?`;
      case "infer":
        return `infer ${this.#typeParam(value.typeParam)}`;
      case "indexedAccess":
        return `${this.#tight(value.objType)}[${this.type(value.indexType)}]`;
      case "conditional":
        return `${this.type(value.checkType)} extends ${this.type(value.extendsType)} ? ` +
          `${this.type(value.trueType)} : ${this.type(value.falseType)}`;
      case "typePredicate":
        return `${value.asserts ? "asserts " : ""}${
          value.param.type === "this" ? "this" : escapeHtml(value.param.name)
        }${value.type === undefined ? "" : ` is ${this.type(value.type)}`}`;
      case "fnOrConstructor":
        return `${value.constructor === true ? "new " : ""}${this.parameters(value)} =&gt; ` +
          this.type(value.tsType);
      case "mapped":
        return this.#mapped(value);
      case "typeLiteral":
        return this.#members(value);
    }
    throw new Error(`a type of an unknown kind: ${JSON.stringify(type).slice(0, 200)}`);
  }

  /** `<T>(one: string, other?: T)` */
  parameters({ params, typeParams }: DocCallable): string {
    return `${this.typeParameters(typeParams)}(${
      params.map((one) => this.#parameter(one)).join(", ")
    })`;
  }

  /** `<T extends string>`; nothing if there are none. */
  typeParameters(params: readonly DocTypeParam[] = []): string {
    if (params.length === 0) return "";
    return `&lt;${params.map((one) => this.#typeParam(one)).join(", ")}&gt;`;
  }

  /** A member of a class or an interface, as it is declared. */
  member(member: DocMember): string {
    const words = [
      member.accessibility,
      member.isStatic ? "static" : undefined,
      member.isAbstract ? "abstract" : undefined,
      member.readonly ? "readonly" : undefined,
    ].filter((word) => word !== undefined).map((word) => `${word} `).join("");
    const call = member.functionDef ?? (member.params && member as DocCallable);
    const name = escapeHtml(member.name);
    if (member.kind === "getter") return `${words}get ${name}(): ${this.type(call!.returnType)}`;
    if (member.kind === "setter") return `${words}set ${name}${this.parameters(call!)}`;
    const mark = member.optional ? "?" : "";
    if (call === undefined) return `${words}${name}${mark}: ${this.type(member.tsType)}`;
    const result = member.name === "constructor" ? "" : `: ${this.type(call.returnType)}`;
    return `${words}${name}${mark}${this.parameters(call)}${result}`;
  }

  #literal({ value }: DocType): string {
    if (value.kind === "string") return escapeHtml(JSON.stringify(value.string));
    if (value.kind === "template") {
      const parts = (value.tsTypes as DocType[]).map((part) =>
        part.kind === "literal" ? escapeHtml(part.value.string) : `\${${this.type(part)}}`
      );
      return `\`${parts.join("")}\``;
    }
    return escapeHtml(String(value[value.kind]));
  }

  #arguments(types: readonly DocType[] | undefined): string {
    return types === undefined || types.length === 0 ? "" : `&lt;${this.#list(types, ", ")}&gt;`;
  }

  #list(types: readonly DocType[], between: string): string {
    return types.map((one) => this.type(one)).join(between);
  }

  /** With parentheses where something follows that binds more tightly. */
  #tight(type: DocType): string {
    const loose = /^(union|intersection|fnOrConstructor|conditional|typeOperator)$/;
    return loose.test(type.kind) ? `(${this.type(type)})` : this.type(type);
  }

  #typeParam({ name, constraint, default: fallback }: DocTypeParam): string {
    return escapeHtml(name) +
      (constraint === undefined ? "" : ` extends ${this.type(constraint)}`) +
      (fallback === undefined ? "" : ` = ${this.type(fallback)}`);
  }

  #parameter(param: DocParam): string {
    switch (param.kind) {
      case "assign":
        return this.#parameter({ ...param.left!, optional: true });
      case "rest":
        return `...${escapeHtml(param.arg?.name ?? "rest")}: ${this.type(param.tsType)}`;
      case "identifier":
      case "object":
        return `${escapeHtml(param.name ?? "options")}${param.optional ? "?" : ""}: ${
          this.type(param.tsType)
        }`;
    }
    throw new Error(`a parameter of an unknown kind: ${param.kind}`);
  }

  #mapped(value: DocType["value"]): string {
    const { typeParam: { name, constraint }, nameType } = value;
    const readonly = value.readonly ? "readonly " : "";
    const renamed = nameType === undefined ? "" : ` as ${this.type(nameType)}`;
    const key = `[${escapeHtml(name)} in ${this.type(constraint)}${renamed}]`;
    return `{ ${readonly}${key}${value.optional ? "?" : ""}: ${this.type(value.tsType)} }`;
  }

  #members(value: DocType["value"]): string {
    const calls = ((value.callSignatures ?? []) as (DocCallable & { tsType?: DocType })[]).map(
      (call) => `${this.parameters(call)}: ${this.type(call.tsType)}`,
    );
    const members = [...(value.properties ?? []), ...(value.methods ?? [])] as DocMember[];
    const all = [
      ...this.indexes(value.indexSignatures),
      ...calls,
      ...members.map((one) => this.member(one)),
    ];
    return all.length === 0 ? "{}" : `{ ${all.join("; ")} }`;
  }

  /** `[key: string]: unknown`, each. */
  indexes(
    signatures: readonly { params: readonly DocParam[]; tsType?: DocType }[] = [],
  ): string[] {
    return signatures.map(({ params, tsType }) =>
      `[${params.map((one) => this.#parameter(one)).join(", ")}]: ${this.type(tsType)}`
    );
  }
}
