import { CHANGE_RECORD, PUT_RECORD, READ_RECORD, REPORT_RECORD } from './redis-record-scripts.js';
import type { Script } from './redis-scripts.js';
import type { OwnReport, SharedRecord, SharedRecords } from './shared-records.js';

/** Records in Redis. */
export class RedisRecords implements SharedRecords {
  /** @param run Runs a script, and returns the texts of its reply. */
  constructor(private readonly run: (script: Script, words: string[]) => Promise<string[]>) {}

  async put(id: string, text: string, keepMs: number): Promise<void> {
    await this.run(PUT_RECORD, [id, text, String(keepMs)]);
  }

  async change(id: string, from: string, to: string, keepMs: number): Promise<boolean> {
    const [isChanged] = await this.run(CHANGE_RECORD, [id, from, to, String(keepMs)]);
    return isChanged === '1';
  }

  async read(id: string): Promise<SharedRecord | null> {
    return recordOf(await this.run(READ_RECORD, [id]));
  }

  async report(id: string, { nodeId, report, text, keepMs }: OwnReport): Promise<SharedRecord> {
    const record = recordOf(await this.run(REPORT_RECORD, [id, nodeId, report, text, String(keepMs)]));
    if (record === null) throw new Error('the record has no text');
    return record;
  }
}

/** Fields and values of the hash: see redis-record-scripts.ts. */
function recordOf(words: readonly string[]): SharedRecord | null {
  let text: string | null = null;
  const reports = new Map<string, string>();
  for (let place = 0; place + 1 < words.length; place += 2) {
    const [field, value] = [words[place]!, words[place + 1]!];
    if (field === 'text') text = value;
    else reports.set(field.slice('node:'.length), value);
  }
  return text === null ? null : { text, reports };
}
