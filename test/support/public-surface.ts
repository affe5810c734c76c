import ts from 'typescript';

/** An entry of the package, and the file that is compiled for it. */
export interface Entry {
  readonly name: string;
  readonly file: string;
}

export interface Surface {
  /** Each exported name, and each public member of exported classes and interfaces: `entry Name` and `entry Name.member`, sorted. */
  readonly lines: readonly string[];
  /** Types of the library that a public signature mentions, and that no entry exports: `Type in entry Name.member`. */
  readonly hidden: readonly string[];
}

/**
 * The part of the library that an application sees: the declarations that the build publishes, without `@internal` members.
 * @param options Those of the build.
 */
export function publicSurface(
  entries: readonly Entry[],
  options: ts.CompilerOptions,
  isLibrary: (file: string) => boolean,
): Surface {
  const files = new Map<string, ts.SourceFile | undefined>();
  const declared = declarationsOf(entries, { ...options, noEmitOnError: false }, files);
  const host = hostWith(options, files);
  const onDisk = { readFile: host.readFile, fileExists: host.fileExists };
  host.fileExists = name => declared.has(name) || (!isLibrary(name) && onDisk.fileExists(name));
  host.readFile = name => declared.get(name) ?? onDisk.readFile(name);
  for (const [name, text] of declared) files.set(name, ts.createSourceFile(name, text, ts.ScriptTarget.ES2023, true));
  const roots = entries.map(({ file }) => declarationName(file));
  const program = ts.createProgram(roots, { ...options, noEmit: true }, host);
  return new SurfaceReader(program, entries, isLibrary).read();
}

/** A host that reads each file once. */
function hostWith(options: ts.CompilerOptions, files: Map<string, ts.SourceFile | undefined>): ts.CompilerHost {
  const host = ts.createCompilerHost(options, true);
  const read = host.getSourceFile;
  host.getSourceFile = (name, target, ...rest) => {
    if (!files.has(name)) files.set(name, read(name, target, ...rest));
    return files.get(name);
  };
  return host;
}

/** The text of every declaration file, by its name. */
function declarationsOf(
  entries: readonly Entry[],
  options: ts.CompilerOptions,
  files: Map<string, ts.SourceFile | undefined>,
): Map<string, string> {
  const emitting = { ...options, declaration: true, emitDeclarationOnly: true, stripInternal: true };
  const roots = entries.map(({ file }) => file);
  const program = ts.createProgram(roots, emitting, hostWith(emitting, files));
  const declared = new Map<string, string>();
  program.emit(undefined, (name, text) => declared.set(name, text), undefined, true);
  return declared;
}

function declarationName(file: string): string {
  return file.replace(/\.ts$/, '.d.ts');
}

/** Names that an application may have to write down; the type of a constant is not one. */
const TYPE = ts.SymbolFlags.Class | ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias | ts.SymbolFlags.Enum;

class SurfaceReader {
  readonly #checker: ts.TypeChecker;
  readonly #lines: string[] = [];
  readonly #hidden = new Set<string>();
  readonly #exported = new Set<ts.Symbol>();

  constructor(
    private readonly program: ts.Program,
    private readonly entries: readonly Entry[],
    private readonly isLibrary: (file: string) => boolean,
  ) {
    this.#checker = program.getTypeChecker();
  }

  read(): Surface {
    const symbols = this.entries.flatMap(entry => this.#exportsOf(entry).map(symbol => [entry, symbol] as const));
    for (const [, symbol] of symbols) this.#exported.add(symbol);
    for (const [{ name }, symbol] of symbols) this.#describe(`${name} ${symbol.name}`, symbol);
    return { lines: this.#lines.toSorted(), hidden: [...this.#hidden].toSorted() };
  }

  #exportsOf({ file }: Entry): ts.Symbol[] {
    const source = this.program.getSourceFile(declarationName(file));
    const module = source && this.#checker.getSymbolAtLocation(source);
    if (module === undefined) throw new Error(`${file} has no declarations`);
    return this.#checker.getExportsOfModule(module).map(symbol => this.#resolved(symbol));
  }

  #resolved(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  #describe(name: string, symbol: ts.Symbol): void {
    this.#lines.push(name);
    for (const declaration of symbol.declarations ?? []) {
      if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) {
        for (const member of declaration.members) this.#describeMember(name, member);
        for (const clause of declaration.heritageClauses ?? []) this.#findHidden(name, clause);
      } else this.#findHidden(name, declaration);
    }
  }

  #describeMember(name: string, member: ts.ClassElement | ts.TypeElement): void {
    const modifiers = ts.getCombinedModifierFlags(member);
    if (modifiers & ts.ModifierFlags.Private || (member.name && ts.isPrivateIdentifier(member.name))) return;
    // The container makes the services: their constructors are not for applications.
    if (ts.isConstructorDeclaration(member)) return;
    const line = `${name}.${member.name?.getText() ?? 'call'}`;
    if (!this.#lines.includes(line)) this.#lines.push(line);
    this.#findHidden(line, member);
  }

  /** Finds the types of the library below a declaration that cannot be imported. */
  #findHidden(where: string, node: ts.Node): void {
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : null;
    const symbol = name && this.#checker.getSymbolAtLocation(name);
    if (symbol) {
      const resolved = this.#resolved(symbol);
      const isType = (resolved.flags & TYPE) !== 0;
      const isOurs = resolved.declarations?.some(declaration => this.isLibrary(declaration.getSourceFile().fileName));
      if (isType && isOurs && !this.#exported.has(resolved)) this.#hidden.add(`${resolved.name} in ${where}`);
    }
    node.forEachChild(child => this.#findHidden(where, child));
  }
}
