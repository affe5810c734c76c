/** The common parts of all pictures. The colours differ in grey as well. */
export const COLOURS = [
  '#9aa5b1',
  '#7b8794',
  '#52606d',
  '#f0b429',
  '#de911d',
  '#ba2525',
  '#e66a6a',
  '#0b69a3',
  '#40c3f7',
  '#127fbf',
] as const;

export interface Label {
  readonly x: number;
  readonly y: number;
  readonly size?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly weight?: 'bold';
}

export function label(text: string, { x, y, size = 11, anchor = 'start', weight }: Label): string {
  const bold = weight === undefined ? '' : ` font-weight="${weight}"`;
  return `<text x="${near(x)}" y="${near(y)}" font-size="${size}" text-anchor="${anchor}"${bold}>${escaped(text)}</text>`;
}

export function picture(width: number, height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    ` font-family="system-ui, sans-serif" fill="#1f2933" role="img"><title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** A tenth of a pixel is enough, and keeps the file small. */
export function near(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
