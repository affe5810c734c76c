import { request } from 'node:http';

/** One plain HTTP question. */
export interface Question {
  readonly port: number;
  readonly path: string;
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly body?: string;
  /** The address to ask from, to be another client than the others. */
  readonly localAddress?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body read as JSON; undefined when it is empty, or of another media type. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is what the test checks
  readonly json: any;
}

/** Sends a request over its own connection, so that nothing is left when the app closes. `path` is sent as it is. */
export function ask({ port, path, method = 'GET', headers = {}, body, localAddress }: Question): Promise<Answer> {
  const from = localAddress === undefined ? {} : { localAddress };
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, headers, agent: false, ...from }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('error', reject);
      response.once('end', () => {
        const isJson = /\bjson\b/.test(response.headers['content-type'] ?? '');
        const json: unknown = text === '' || !isJson ? undefined : JSON.parse(text);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    })
      .once('error', reject)
      .end(body);
  });
}
