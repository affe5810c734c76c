import ts from 'typescript';

/** A thing in a source and its line. */
interface Named {
  readonly name: string;
  readonly line: number;
}

/** The parts of a source that matter to the architecture; comments and strings are not mistaken for code. */
export interface Code {
  readonly path: string;
  /** Of imports, re-exports, `import()` and types written `import('…')`. */
  readonly imports: readonly { readonly specifier: string; readonly line: number }[];
  /** Lines with `export *`. */
  readonly starExports: readonly number[];
  readonly defaultExports: readonly number[];
  /** Whether the file holds nothing but re-exports. */
  readonly reExportsOnly: boolean;
  readonly identifiers: readonly Named[];
  /** The called functions, as written: `Date.now`, `setTimeout`. */
  readonly calls: readonly Named[];
  readonly decorators: readonly Named[];
}

/** Reads one source without resolving or checking anything. */
export function readCode(path: string, source: string): Code {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  const imports: { specifier: string; line: number }[] = [];
  const starExports: number[] = [];
  const defaultExports: number[] = [];
  const identifiers: Named[] = [];
  const calls: Named[] = [];
  const decorators: Named[] = [];
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;

  const visit = (node: ts.Node): void => {
    const line = lineOf(node);
    const specifier = specifierOf(node);
    if (specifier !== undefined) imports.push({ specifier, line });
    if (ts.isExportDeclaration(node) && (!node.exportClause || ts.isNamespaceExport(node.exportClause)))
      starExports.push(line);
    if (isDefaultExport(node)) defaultExports.push(line);
    if (ts.isIdentifier(node)) identifiers.push({ name: node.text, line });
    if (ts.isCallExpression(node)) calls.push({ name: node.expression.getText(file), line });
    if (ts.isDecorator(node)) decorators.push({ name: decoratorName(node.expression), line });
    ts.forEachChild(node, visit);
  };
  visit(file);

  const statements = file.statements.filter(statement => !ts.isImportDeclaration(statement));
  const reExportsOnly = statements.length > 0 && statements.every(isReExport);
  return { path, imports, starExports, defaultExports, reExportsOnly, identifiers, calls, decorators };
}

function isReExport(statement: ts.Statement): boolean {
  return ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined;
}

function specifierOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return literal(node.moduleSpecifier);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return literal(node.arguments[0]);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return literal(node.argument.literal);
  return undefined;
}

function literal(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true;
  if (ts.isExportSpecifier(node)) return node.name.text === 'default';
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)
  );
}

function decoratorName(expression: ts.Expression): string {
  if (ts.isCallExpression(expression)) return decoratorName(expression.expression);
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();
}
