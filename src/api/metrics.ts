import { METRIC_FAMILIES, type MetricName } from './metric-families.ts';

type Labels = Readonly<Record<string, string>>;
/** The lines of one figure without its head, made for each scrape. */
type Lines = () => Iterable<string>;

/** Bounds of histograms of durations, in seconds. */
export const SECONDS_BUCKETS: readonly number[] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Counter {
  inc(labels?: Labels, by?: number): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** Figures that one process counts, shown as Prometheus text. Asking twice for the same name gives the same figure. */
export class Metrics {
  readonly #lines = new Map<MetricName, Lines>();
  readonly #figures = new Map<MetricName, Counter | Gauge | Histogram>();

  /** Only ever grows; its name ends in `_total`. */
  counter(name: MetricName<'counter'>): Counter {
    return this.#figure(name, () => {
      const values = new Values();
      this.#lines.set(name, () => values.lines(name));
      return { inc: (labels: Labels = {}, by = 1) => values.set(labels, values.get(labels) + by) };
    });
  }

  gauge(name: MetricName<'gauge'>): Gauge {
    return this.#figure(name, () => {
      const values = new Values();
      this.#lines.set(name, () => values.lines(name));
      return { set: (value: number, labels: Labels = {}) => values.set(labels, value) };
    });
  }

  /** A figure that is read when somebody asks; nothing is shown while `read` answers undefined. */
  observed(name: MetricName<'gauge' | 'counter'>, read: () => number | undefined): void {
    const lines = () => {
      const value = read();
      return value === undefined ? [] : [`${name} ${value}`];
    };
    this.#lines.set(name, lines);
  }

  /** The same with one label, and a value for each of its values. */
  observedBy(name: MetricName<'gauge'>, label: string, read: () => ReadonlyMap<string, number> | undefined): void {
    const lines = () =>
      (read() ?? new Map()).entries().map(([key, value]) => `${name}{${labelText({ [label]: key })}} ${value}`);
    this.#lines.set(name, lines);
  }

  histogram(name: MetricName<'histogram'>, buckets: readonly number[] = SECONDS_BUCKETS): Histogram {
    return this.#figure(name, () => {
      const series = new Map<string, Distribution>();
      const lines = () =>
        series.size === 0
          ? new Distribution(buckets).lines(name, '')
          : [...series].flatMap(([labels, distribution]) => distribution.lines(name, labels));
      this.#lines.set(name, lines);
      return {
        observe: (value: number, labels: Labels = {}) => {
          const key = labelText(labels);
          const distribution = series.get(key) ?? new Distribution(buckets);
          series.set(key, distribution);
          distribution.observe(value);
        },
      };
    });
  }

  /** Everything in the Prometheus text format, by name. */
  text(): string {
    let text = '';
    for (const [name, lines] of [...this.#lines].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { kind, help } = METRIC_FAMILIES[name];
      text += `# HELP ${name} ${help}.\n# TYPE ${name} ${kind}\n`;
      for (const line of lines()) text += `${line}\n`;
    }
    return text;
  }

  #figure<T extends Counter | Gauge | Histogram>(name: MetricName, make: () => T): T {
    const known = this.#figures.get(name);
    if (known !== undefined) return known as T;
    const made = make();
    this.#figures.set(name, made);
    return made;
  }
}

/** One number for each set of labels; a figure that was never touched counts as 0. */
class Values {
  readonly #byLabels = new Map<string, number>();

  get(labels: Labels): number {
    return this.#byLabels.get(labelText(labels)) ?? 0;
  }

  set(labels: Labels, value: number): void {
    this.#byLabels.set(labelText(labels), value);
  }

  lines(name: string): string[] {
    if (this.#byLabels.size === 0) return [`${name} 0`];
    return [...this.#byLabels].map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}`);
  }
}

class Distribution {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    this.#bounds.forEach((bound, i) => {
      if (value <= bound) this.#counts[i]!++;
    });
  }

  lines(name: string, labels: string): string[] {
    const before = labels === '' ? '' : `${labels},`;
    const behind = labels === '' ? '' : `{${labels}}`;
    return [
      ...this.#bounds.map((bound, i) => `${name}_bucket{${before}le="${bound}"} ${this.#counts[i]}`),
      `${name}_bucket{${before}le="+Inf"} ${this.#count}`,
      `${name}_sum${behind} ${this.#sum}`,
      `${name}_count${behind} ${this.#count}`,
    ];
  }
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
    )
    .join(',');
}
