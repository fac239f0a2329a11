/** What `deno doc --json` says of the library, as far as the site shows it. */
import { project } from "../project.ts";

/** A type. What `value` is depends on its kind. */
export interface DocType {
  kind: string;
  repr?: string;
  // deno-lint-ignore no-explicit-any -- twenty kinds, told apart in type_html.ts
  value?: any;
}

/** A type parameter. */
export interface DocTypeParam {
  name: string;
  constraint?: DocType;
  default?: DocType;
}

/** A parameter. */
export interface DocParam {
  kind: string;
  name?: string;
  optional?: boolean;
  tsType?: DocType;
  /** Of a parameter with a default. */
  left?: DocParam;
  /** Of a rest parameter. */
  arg?: DocParam;
}

/** Parameters and a result. */
export interface DocCallable {
  params: readonly DocParam[];
  typeParams?: readonly DocTypeParam[];
  returnType?: DocType;
}

/** A docstring. */
export interface DocComment {
  doc?: string;
  tags?: readonly { kind: string; doc?: string }[];
}

/** A member of a class or an interface. */
export interface DocMember {
  name: string;
  kind?: string;
  jsDoc?: DocComment;
  optional?: boolean;
  readonly?: boolean;
  isStatic?: boolean;
  isAbstract?: boolean;
  accessibility?: string;
  tsType?: DocType;
  /** Of a class. */
  functionDef?: DocCallable;
  /** Of a constructor, or of an interface. */
  params?: readonly DocParam[];
  typeParams?: readonly DocTypeParam[];
  returnType?: DocType;
}

/** What a declaration says. */
export interface DocDefinition extends Partial<DocCallable> {
  isAbstract?: boolean;
  isAsync?: boolean;
  extends?: string | readonly DocType[];
  superTypeParams?: readonly DocType[];
  implements?: readonly DocType[];
  constructors?: readonly DocMember[];
  properties?: readonly DocMember[];
  methods?: readonly DocMember[];
  indexSignatures?: readonly (DocCallable & { tsType?: DocType })[];
  tsType?: DocType;
  kind?: string;
}

/** A declaration of a symbol; overloads have several. */
export interface DocDeclaration {
  kind: string;
  jsDoc?: DocComment;
  def: DocDefinition;
  location: { filename: string; line: number };
}

/** An exported name. */
export interface DocSymbol {
  name: string;
  declarations: readonly DocDeclaration[];
}

/** A module. */
export interface DocModule {
  module_doc?: DocComment;
  symbols: readonly DocSymbol[];
}

/** The modules of the library by their file names, each with its symbols in order of their names. */
export async function documentedModules(
  ...files: readonly string[]
): Promise<Map<string, DocModule>> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...files],
    cwd: project,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno doc: ${decoder.decode(stderr)}`);
  const { nodes } = JSON.parse(decoder.decode(stdout)) as { nodes: Record<string, DocModule> };
  const modules = new Map<string, DocModule>();
  for (const file of files) {
    const [, module] = Object.entries(nodes).find(([url]) => url.endsWith(`/${file}`))!;
    const symbols = module.symbols.toSorted((a, b) => sortKey(a) < sortKey(b) ? -1 : 1);
    modules.set(file, { ...module, symbols });
  }
  return modules;
}

/** Capitals and small letters side by side, always in the same order. */
function sortKey({ name }: DocSymbol): string {
  return `${name.toLowerCase()} ${name}`;
}
