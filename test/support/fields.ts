import ts from 'typescript';

/** A field of a class. */
interface Field {
  readonly className: string;
  readonly name: string;
  readonly line: number;
  readonly isReadonly: boolean;
  /** Whether its value is a function, or an object with functions. */
  readonly isFunction: boolean;
}

/** An assignment to a property, such as `this.node.draining = true` or `node.count++`. */
interface Write {
  /** The object as it is written: `this.node`. */
  readonly object: string;
  readonly name: string;
  readonly line: number;
}

/** A property that is read from an object: by `object.name`, or by `const { name } = object`. */
type Read = Write;

/** The public fields of the classes of one source, and its accesses to properties of objects. */
export interface Fields {
  readonly fields: readonly Field[];
  readonly writes: readonly Write[];
  readonly reads: readonly Read[];
}

/** Reads one source without resolving or checking anything. */
export function readFields(path: string, source: string): Fields {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  const fields: Field[] = [];
  const writes: Write[] = [];
  const reads: Read[] = [];
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
  const visit = (node: ts.Node): void => {
    if (ts.isClassDeclaration(node)) {
      for (const member of node.members) {
        if (!ts.isPropertyDeclaration(member) || !ts.isIdentifier(member.name)) continue;
        fields.push({
          className: node.name?.text ?? '',
          name: member.name.text,
          line: lineOf(member),
          isReadonly: (member.modifiers ?? []).some(({ kind }) => kind === ts.SyntaxKind.ReadonlyKeyword),
          isFunction: holdsFunction(member.type) || holdsFunction(member.initializer),
        });
      }
    }
    const target = targetOf(node);
    if (target) writes.push({ object: target.expression.getText(file), name: target.name.text, line: lineOf(node) });
    if (ts.isPropertyAccessExpression(node)) {
      reads.push({ object: node.expression.getText(file), name: node.name.text, line: lineOf(node) });
    }
    if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name)) {
      const object = node.initializer?.getText(file) ?? '';
      for (const { propertyName, name } of node.name.elements) {
        reads.push({ object, name: (propertyName ?? name).getText(file), line: lineOf(node) });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { fields, writes, reads };
}

/** The property that an expression assigns to. */
function targetOf(node: ts.Node): ts.PropertyAccessExpression | null {
  let target: ts.Node | null = null;
  if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) target = node.left;
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const isStep = node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken;
    if (isStep) target = node.operand;
  }
  return target !== null && ts.isPropertyAccessExpression(target) ? target : null;
}

function isAssignment(kind: ts.SyntaxKind): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

/** Whether a type or a value is a function, or has one among the parts of a union or the members of an object. */
function holdsFunction(node: ts.Node | undefined): boolean {
  if (node === undefined) return false;
  if (ts.isFunctionTypeNode(node) || ts.isArrowFunction(node) || ts.isFunctionExpression(node)) return true;
  if (ts.isMethodSignature(node) || ts.isMethodDeclaration(node)) return true;
  if (ts.isUnionTypeNode(node)) return node.types.some(holdsFunction);
  if (ts.isParenthesizedTypeNode(node)) return holdsFunction(node.type);
  if (ts.isTypeLiteralNode(node)) return node.members.some(holdsFunction);
  if (ts.isPropertySignature(node)) return holdsFunction(node.type);
  if (ts.isObjectLiteralExpression(node)) return node.properties.some(holdsFunction);
  return ts.isPropertyAssignment(node) && holdsFunction(node.initializer);
}
