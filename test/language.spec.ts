/** The words that keep readers out of comments, test names, messages and documents: their number, and the rules of the counter. */
import { describe, expect, it } from '@jest/globals';
import { densities, languageFiles, languageOf, readLanguage } from './support/language.js';

/** The counted words of a source. */
const wordsIn = (path: string, source: string): string[] =>
  languageOf(path, source).occurrences.map(({ word }) => word);

describe('the counter', () => {
  it.each([
    ['pronouns of people', '// Whoever comes is served, and nobody waits.', ['Whoever', 'nobody']],
    ['speech of code', '/** The table says which; the error tells it. */', ['says', 'tells']],
    ['a sentence without a subject', '/** A rule. What a client sent. */', ['What']],
    ['a sentence without a subject over two lines', '// A rule.\n// Who sends is\n// not pinged.', ['Who']],
    ['a list item without a subject', '/**\n * Rules:\n * - what a client sent\n */', ['what']],
    ['a name of a test', `it.each([])('tells %s', () => {});`, ['tells']],
    ['an error', 'throw new Error(`nobody has ${name} here`);', ['nobody']],
    ['a comment before a closing brace', 'function f() {\n  g();\n  // Nobody calls it.\n}', ['Nobody']],
  ])('finds %s', (_what, source, words) => {
    expect(wordsIn('x.ts', source)).toEqual(words);
  });

  it.each([
    ['questions', '// Who owns the connection? What ends it?'],
    ['speech of people', '// The operator said so, or support engineers who said it.'],
    ['clauses', '// The client who sent it, and what it sent: what the table holds.'],
    ['names of code', '// `whoever` and `says` are names.'],
    ['code', `const whoever = says(nobody);`],
    ['short literals', `say('nobody');`],
    ['imports', `import { a } from './nobody/says/it.js';`],
  ])('ignores %s', (_what, source) => {
    expect(wordsIn('x.ts', source)).toEqual([]);
  });

  it('ignores literals of a test that are no names', () => {
    expect(wordsIn('x.spec.ts', `it('works', () => call('nobody is at home'));`)).toEqual([]);
  });

  it('reads prose, headings and cells of a document, and neither its code nor its links', () => {
    const document = [
      '# What it costs',
      '# What does it cost?',
      '| what | `what` |',
      '```',
      'nobody',
      '```',
      '[a link](nobody-says.md) to nobody',
    ].join('\n');
    expect(wordsIn('x.md', document)).toEqual(['What', 'what', 'nobody']);
  });

  it('gives the line of each occurrence, and counts the words of each kind', () => {
    const { words, occurrences } = languageOf('x.ts', `// One two.\n/**\n * Three nobody.\n */\nit('four five', f);\n`);
    expect(occurrences.map(({ where }) => where)).toEqual(['x.ts:3']);
    expect(words).toEqual({ comments: 4, names: 2, messages: 0, documents: 0 });
  });
});

describe('the language of the repository', () => {
  const language = readLanguage(languageFiles());

  it.each(['comments', 'names', 'messages', 'documents'] as const)(
    'has at most 10 of them in 10,000 words of %s',
    kind => {
      const found = language.occurrences.filter(occurrence => occurrence.kind === kind);
      const places = found.map(({ where, word, around }) => `${where} ${word}: ${around}`);
      expect(language.words[kind]).toBeGreaterThan(1000);
      expect(densities(language)[kind] > 10 ? places : []).toEqual([]);
    },
  );
});
