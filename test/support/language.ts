/**
 * Counts the words that keep readers out, in everything that is read: comments, test names, messages and documents.
 *
 * `node --import ./test/support/run-typescript.mjs test/support/language.ts [--all] [path…]` prints each occurrence as `file:line`, and the
 * totals. `--all` adds the metaphors: they are for the reviewer, since each of those words has literal uses too.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Sources and documents, from the root of the repository. The changelog is a record of the past and stays as it is. */
const PLACES = ['libs', 'apps', 'test', 'docs', 'deploy', '.ci', 'README.md', 'CONTRIBUTING.md'];
const SKIPPED = /(^|\/)(node_modules|dist|temp|CHANGELOG\.md)(\/|$)/;

const KINDS = ['comments', 'names', 'messages', 'documents'] as const;
export type TextKind = (typeof KINDS)[number];

/** A text that people read. It has the length of its source, with spaces where there was code, so that places stay. */
interface Text {
  readonly kind: TextKind;
  readonly start: number;
  readonly text: string;
}

export interface Occurrence {
  /** `file:line`. */
  readonly where: string;
  readonly kind: TextKind;
  readonly word: string;
  /** The words around it. */
  readonly around: string;
}

export interface Language {
  readonly words: Readonly<Record<TextKind, number>>;
  readonly occurrences: readonly Occurrence[];
}

/** People instead of the field's nouns. */
const PRONOUNS = /\b(?:whoever|whom|whomever|nobody|somebody|everybody|anybody|no one|someone|everyone|anyone)\b/gi;
/** Code does not speak. The verb counts unless one of the three words before it is a person's. */
const SPEECH = /\b(?:told|tells|said|says)\b/gi;
const PERSON = /\b(?:operators?|engineers?|reviewers?|maintainers?|authors?|people|person)\W+(?:\w+\W+){0,2}$/i;
/** For the reviewer: figures of speech. */
const FIGURES =
  /\b(?:who|others|answers|asks|in the place of|let in|goes|is gone|doors?|books|goodbyes?|house|crowds?|looks?|looked|hears?|heard|comes? back|whole again|newcomers?|(?:signs? of|for) life|leaves? a trace|guests?)\b/gi;

/** The counts of several files, by their paths from the root. */
export function readLanguage(paths: readonly string[], withFigures = false): Language {
  const words: Record<TextKind, number> = { comments: 0, names: 0, messages: 0, documents: 0 };
  const occurrences: Occurrence[] = [];
  for (const path of paths) {
    const file = languageOf(path, readFileSync(join(ROOT, path), 'utf8'), withFigures);
    for (const kind of KINDS) words[kind] += file.words[kind];
    occurrences.push(...file.occurrences);
  }
  return { words, occurrences };
}

/** The counts of one source. */
export function languageOf(path: string, source: string, withFigures = false): Language {
  const words: Record<TextKind, number> = { comments: 0, names: 0, messages: 0, documents: 0 };
  const texts = textsOf(path, source);
  for (const { kind, text } of texts) words[kind] += text.match(/[A-Za-z][\w'’-]*/g)?.length ?? 0;
  return { words, occurrences: texts.flatMap(text => occurrencesIn(text, path, source, withFigures)) };
}

/** Every file that is read, or those below the given paths. */
export function languageFiles(places: readonly string[] = PLACES): string[] {
  return places.flatMap(place => filesIn(join(ROOT, place))).map(file => relative(ROOT, file));
}

function filesIn(place: string): string[] {
  if (statSync(place).isFile()) return [place].filter(isRead);
  return readdirSync(place, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .filter(isRead);
}

function isRead(file: string): boolean {
  return /\.([mc]?[jt]s|md|svg)$/.test(file) && !SKIPPED.test(relative(ROOT, file));
}

/** The texts of a file. */
function textsOf(path: string, source: string): Text[] {
  if (path.endsWith('.md')) return [{ kind: 'documents', start: 0, text: proseOf(source) }];
  if (path.endsWith('.svg')) return [{ kind: 'documents', start: 0, text: source.replaceAll(/<[^>]*>/g, paragraph) }];
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  return [...commentsOf(file, source), ...literalsOf(file, source)];
}

/** Spaces in place of what is no prose; line ends stay. */
function blank(code: string): string {
  return code.replaceAll(/[^\n]/g, ' ');
}

/** The same, and a sentence ends there. */
function paragraph(code: string): string {
  return blank(code).replace(/^ /, '|');
}

/** A name of code stands in a sentence like a word. */
function inline(code: string): string {
  return 'x'.repeat(code.length);
}

function proseOf(markdown: string): string {
  return markdown
    .replaceAll(/^ *```[\s\S]*?^ *```$/gm, blank)
    .replaceAll(/`[^`\n]*`/g, inline)
    .replaceAll(/\]\([^)\s]*\)/g, link => `]${blank(link.slice(1))}`);
}

/** Comments; line comments that follow each other are one text. */
function commentsOf(file: ts.SourceFile, source: string): Text[] {
  const ranges = new Map<number, ts.CommentRange>();
  const visit = (node: ts.Node): void => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return;
    for (const range of ts.getLeadingCommentRanges(source, node.pos) ?? []) ranges.set(range.pos, range);
    for (const range of ts.getTrailingCommentRanges(source, node.end) ?? []) ranges.set(range.pos, range);
    for (const child of node.getChildren(file)) visit(child);
  };
  visit(file);
  const texts: Text[] = [];
  for (const { pos, end, kind } of [...ranges.values()].toSorted((a, b) => a.pos - b.pos)) {
    const text = commentText(source.slice(pos, end));
    const last = texts.at(-1);
    const between = last && source.slice(last.start + last.text.length, pos);
    if (last && kind === ts.SyntaxKind.SingleLineCommentTrivia && /^ *\n *$/.test(between ?? '')) {
      texts[texts.length - 1] = { ...last, text: last.text + between + text };
    } else texts.push({ kind: 'comments', start: pos, text });
  }
  return texts;
}

function commentText(comment: string): string {
  return comment
    .replaceAll(/^\/\*\*?|\*\/$|^\/\/+|^\s*\*(?!\/)/gm, blank)
    .replaceAll(/```[\s\S]*?```/g, blank)
    .replaceAll(/`[^`]*`/g, code => code.replaceAll(/[^\n]/g, 'x'));
}

/** Names of tests, and in other sources every literal of three words or more: errors, log lines, descriptions. */
function literalsOf(file: ts.SourceFile, source: string): Text[] {
  const isSpec = file.fileName.endsWith('spec.ts');
  const texts: Text[] = [];
  const add = (kind: TextKind, node: ts.Node): void => {
    const start = node.getStart(file);
    const text = source
      .slice(start, node.end)
      .replaceAll(/\$\{[^}]*\}|`[^`$]*`(?=.*`$)/g, code => code.replaceAll(/[^\n]/g, 'x'));
    texts.push({ kind, start, text: ` ${text.slice(1, -1)} ` });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    const name = ts.isCallExpression(node) ? testName(node) : undefined;
    if (name) add('names', name);
    else if (!isSpec && isLiteral(node) && /\w+\W+\w+\W+\w+/.test(node.getText(file))) add('messages', node);
    ts.forEachChild(node, child => {
      if (child !== name) visit(child);
    });
  };
  visit(file);
  return texts;
}

function isLiteral(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

/** The name in `it('…')`, `it.each(table)('…')`, `describe('…')`. */
function testName({ expression, arguments: [name] }: ts.CallExpression): ts.Node | undefined {
  let callee: ts.Expression = expression;
  while (!ts.isIdentifier(callee)) {
    if (ts.isCallExpression(callee) || ts.isPropertyAccessExpression(callee)) callee = callee.expression;
    else if (ts.isTaggedTemplateExpression(callee)) callee = callee.tag;
    else return undefined;
  }
  return name && isLiteral(name) && /^(it|test|describe)$/.test(callee.text) ? name : undefined;
}

function occurrencesIn({ kind, start, text }: Text, path: string, source: string, withFigures: boolean): Occurrence[] {
  const found: { at: number; word: string }[] = [];
  for (const { index, 0: word } of text.matchAll(PRONOUNS)) found.push({ at: index, word });
  for (const { index, 0: word } of text.matchAll(SPEECH))
    if (!PERSON.test(text.slice(Math.max(0, index - 60), index))) found.push({ at: index, word });
  for (const { at, sentence } of sentencesOf(text)) {
    const headless = /^(who|what)\b/i.exec(sentence)?.[0];
    if (headless && !sentence.endsWith('?')) found.push({ at, word: headless });
  }
  if (withFigures) for (const { index, 0: word } of text.matchAll(FIGURES)) found.push({ at: index, word });
  return found
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, word }) => ({
      where: `${path}:${source.slice(0, start + at).split('\n').length}`,
      kind,
      word,
      around: text
        .slice(Math.max(0, at - 40), at + 60)
        .replaceAll(/\s+/g, ' ')
        .trim(),
    }));
}

/** Sentences from their first letter to their last mark. Paragraphs, list items, table cells and tags begin one; so does a capital after a full stop or colon. */
function sentencesOf(text: string): { at: number; sentence: string }[] {
  const ends = /\n\s*\n|\n\s*(?=[-*@#]|\d+\. )|(?<!\\)\||[.!?](?=["')\]]*(?:\s|$))|:(?=\s+[A-Z])/g;
  const sentences: { at: number; sentence: string }[] = [];
  let from = 0;
  for (const { index, 0: end } of [...text.matchAll(ends), { index: text.length, 0: '' }]) {
    const sentence = text.slice(from, index + (/^[.!?]$/.test(end) ? 1 : 0));
    const first = sentence.search(/[A-Za-z]/);
    if (first >= 0) sentences.push({ at: from + first, sentence: sentence.slice(first) });
    from = index + end.length;
  }
  return sentences;
}

/** Occurrences for each 10,000 words of a kind. */
export function densities({ words, occurrences }: Language): Record<TextKind, number> {
  const found = { comments: 0, names: 0, messages: 0, documents: 0 };
  for (const { kind } of occurrences) found[kind] += 1;
  for (const kind of KINDS) found[kind] = Math.round((found[kind] * 100_000) / Math.max(1, words[kind])) / 10;
  return found;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const places = argv.slice(2).filter(argument => !argument.startsWith('--'));
  const language = readLanguage(languageFiles(places.length > 0 ? places : PLACES), argv.includes('--all'));
  for (const { where, kind, word, around } of language.occurrences)
    console.log(`${where}  ${kind}  ${word}: … ${around} …`);
  console.log(`words ${JSON.stringify(language.words)}`);
  console.log(`for each 10,000 words ${JSON.stringify(densities(language))}`);
}
