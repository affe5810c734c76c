/** Alert rules and the dashboard name only metrics, labels and values that the library exports, and each alert has its page. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { HeartbeatModule } from 'nestjs-heartbeat';
import { Test } from '@nestjs/testing';
import { type INestApplication } from '@nestjs/common';
import { parse } from 'yaml';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}
interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const root = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const RULES = (
  parse(read('deploy/prometheus/alerts.yml')) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] }
).groups.flatMap(({ rules }) => rules);
const PANELS = (
  JSON.parse(read('deploy/grafana/dashboards/heartbeat.json')) as { readonly panels: readonly Panel[] }
).panels.filter(({ type }) => type !== 'row');
const EXPRESSIONS = [
  ...RULES.map(({ alert, expr }) => [alert, expr] as const),
  ...PANELS.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
];
/** Labels that Prometheus adds, and its own series. */
const OF_PROMETHEUS: ReadonlySet<string | undefined> = new Set(['job', 'instance', 'le']);

/** Series of the exposition: the values of each label, by the name of the metric. */
const exported = new Map<string, Map<string, Set<string>>>();
let app: INestApplication;

beforeAll(async () => {
  const module = await Test.createTestingModule({ imports: [HeartbeatModule.forRoot()] }).compile();
  app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  const text = await (await fetch(`${await app.getUrl()}/metrics`)).text();
  for (const [, name = '', , labels = ''] of text.matchAll(/^(\w+)(\{([^}]*)\})? /gm)) {
    const known = exported.get(name) ?? new Map<string, Set<string>>();
    exported.set(name, known);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
  }
  exported.set('up', new Map());
});
afterAll(() => app.close());

interface Selector {
  readonly metric: string;
  readonly matchers: readonly (readonly [label: string, operator: string, value: string])[];
}

/** The selectors of a PromQL expression. Throws for a syntax error. */
function selectorsOf(given: string): Selector[] {
  // A variable of Grafana, where PromQL has a duration.
  const text = given.replaceAll('$__rate_interval', '5m');
  const found: Selector[] = [];
  parser.parse(text).iterate({
    enter: ({ type, from, to, node }) => {
      if (type.isError) throw new Error(`${text}: a syntax error at ${from}`);
      if (type.name !== 'VectorSelector') return;
      const source = text.slice(from, to);
      const matchers = [...source.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(
        ([, label = '', operator = '', value = '']) => [label, operator, value] as const,
      );
      const name = node.getChild('Identifier');
      found.push({ metric: name === null ? '' : text.slice(name.from, name.to), matchers });
    },
  });
  return found;
}

/** The labels by which an expression groups. */
const groupedBy = (expr: string): string[] =>
  [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/));

describe.each(EXPRESSIONS)('%s: %s', (_name, expr) => {
  it('names metrics that the library exports, with their labels and values', () => {
    const selectors = selectorsOf(expr);
    expect(selectors.length).toBeGreaterThan(0);
    for (const { metric, matchers } of selectors) {
      const labels = exported.get(metric);
      expect([metric, labels !== undefined]).toEqual([metric, true]);
      for (const [label, operator, value] of matchers) {
        if (OF_PROMETHEUS.has(label)) continue;
        const values = [...(labels?.get(label) ?? [])];
        expect([metric, label, values.length > 0 || label === 'code']).toEqual([metric, label, true]);
        if (label === 'code') continue;
        for (const one of operator.includes('~') ? value.split('|') : [value]) expect(values).toContain(one);
      }
    }
    const known = new Set(selectors.flatMap(({ metric }) => [...(exported.get(metric)?.keys() ?? [])]));
    const isOfCloses = selectors.some(({ metric }) => metric === 'ws_connections_closed_total');
    const others = groupedBy(expr).filter(label => !OF_PROMETHEUS.has(label) && !known.has(label));
    expect(others).toEqual(isOfCloses ? others.filter(label => ['code', 'by'].includes(label)) : []);
  });
});

describe('the parser of this test', () => {
  it('finds the selectors of nested expressions', () => {
    expect(selectorsOf('sum by (a) (rate(x{job="j", y!~"b|c"}[5m])) / on (z) up > 0.5')).toEqual([
      {
        metric: 'x',
        matchers: [
          ['job', '=', 'j'],
          ['y', '!~', 'b|c'],
        ],
      },
      { metric: 'up', matchers: [] },
    ]);
  });

  it('rejects what is no PromQL', () => {
    expect(() => selectorsOf('sum(rate(x[5m])')).toThrow('syntax error');
  });
});

describe.each(RULES)('the alert $alert', ({ alert, labels, annotations: { summary, description, runbook }, expr }) => {
  it('has a severity, a summary and the page that its annotation names', () => {
    expect(['warning', 'critical']).toContain(labels.severity);
    expect([summary, description].every(text => text.length > 20)).toBe(true);
    const page = read(runbook);
    expect(page.startsWith(`# ${alert}\n`)).toBe(true);
    expect(page).toContain(`Severity: ${labels.severity}`);
    expect(page).toContain(expr.trim());
    for (const heading of ['## Check', '## Causes']) expect(page).toContain(heading);
  });

  it('fires and does not fire in the tests of its rules', () => {
    expect(read('deploy/prometheus/alerts.test.yml')).toContain(`- name: ${alert}\n`);
  });

  it('names in its summary only labels that its expression keeps', () => {
    const kept = expr.includes(' by (') ? groupedBy(expr) : ['instance'];
    const used = [...`${summary} ${description}`.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
    expect(used.filter(label => !kept.includes(label ?? ''))).toEqual([]);
  });
});

describe('the pages of the alerts', () => {
  const folder = 'docs/operations/alerts/';

  it('are listed in their index, and belong to an alert each', () => {
    const pages = readdirSync(new URL(folder, root)).filter(name => name !== 'README.md');
    expect(pages.map(name => `${folder}${name}`).toSorted()).toEqual(
      RULES.map(({ annotations }) => annotations.runbook).toSorted(),
    );
    for (const name of pages) expect(read(`${folder}README.md`)).toContain(`](${name})`);
  });
});

describe('docker-compose.yml: the services that watch', () => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    readonly services: Readonly<Record<string, { readonly volumes: readonly string[]; readonly profiles?: string[] }>>;
  };

  it.each(['prometheus', 'grafana'])('%s reads files that are there, and starts only when asked for', name => {
    const { volumes = [], profiles } = services[name] ?? {};
    const files = volumes.map(volume => volume.split(':')[0] ?? '').filter(path => path.startsWith('./'));
    expect(files.length).toBeGreaterThan(0);
    for (const path of files) expect([path, existsSync(new URL(path, root))]).toEqual([path, true]);
    expect(profiles).toEqual(['monitoring']);
  });

  it('Prometheus scrapes the admin port of each node, with the rules that are there', () => {
    const { rule_files: rules, scrape_configs: jobs } = parse(read('deploy/prometheus/prometheus.yml')) as {
      readonly rule_files: readonly string[];
      readonly scrape_configs: readonly {
        readonly job_name: string;
        readonly static_configs: readonly { readonly targets: readonly string[] }[];
      }[];
    };
    expect(rules).toEqual(['alerts.yml']);
    expect(jobs.map(({ job_name: job }) => job)).toEqual(['heartbeat']);
    const targets = jobs[0]?.static_configs[0]?.targets ?? [];
    const nodes = Object.keys(services).filter(name => name.startsWith('node-'));
    expect(targets).toEqual(nodes.map(name => `${name}:3001`));
  });
});
