import { FIGURE_NAMES, type FigureName, FIGURES, type Figures, type Goal } from './figures.js';
import { SERVER_NAMES, type ServerName } from './server/bench-server.js';

/** The server that goals are set for unless they name another. */
const OURS: ServerName = 'heartbeat';

export interface Judgement {
  readonly goal: Goal;
  /** The figure itself or, where the goal is set against another server, the median of the ratios of each round. */
  readonly value: number;
  readonly reached: boolean;
}

/** Every figure of every round, and what follows from them. */
export class Readings {
  readonly #rounds: Map<ServerName, Figures>[] = [];

  /**
   * Four digits that count are kept: more would be noise.
   * @param round From 0 on.
   */
  add(round: number, server: ServerName, figures: Figures): void {
    const found = (this.#rounds[round] ??= new Map<ServerName, Figures>());
    const rounded = Object.entries(figures).map(([figure, value]) => [figure, Number(value.toPrecision(4))]);
    found.set(server, { ...found.get(server), ...(Object.fromEntries(rounded) as Figures) });
  }

  /** Of each round in which there is one. */
  values(server: ServerName, figure: FigureName): number[] {
    return this.#rounds.flatMap(round => round.get(server)?.[figure] ?? []);
  }

  median(server: ServerName, figure: FigureName): number | null {
    const values = this.values(server, figure);
    return values.length === 0 ? null : medianOf(values);
  }

  /** Servers of a round share what the machine did meanwhile: so the ratio is taken within each, and then the median. */
  ratio(figure: FigureName, against: ServerName, of = OURS): number | null {
    const ratios = this.#rounds.flatMap(round => {
      const [ours, theirs] = [round.get(of)?.[figure], round.get(against)?.[figure]];
      return ours === undefined || theirs === undefined ? [] : ours / theirs;
    });
    return ratios.length === 0 ? null : medianOf(ratios);
  }

  /** One for each goal of the figure that there is something to hold against. */
  judge(figure: FigureName): Judgement[] {
    return (FIGURES[figure].goals ?? []).flatMap(goal => {
      const { of = OURS, against, most = Infinity, least = -Infinity } = goal;
      const value = against === undefined ? this.median(of, figure) : this.ratio(figure, against, of);
      return value === null ? [] : [{ goal, value, reached: value <= most && value >= least }];
    });
  }

  /** The rows that have any figure. */
  get figures(): FigureName[] {
    return FIGURE_NAMES.filter(figure => this.servers.some(server => this.values(server, figure).length > 0));
  }

  get servers(): ServerName[] {
    return SERVER_NAMES.filter(server => this.#rounds.some(round => round.has(server)));
  }
}

/** The middle of the values, or of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2;
}

/** The mean of the lower half of the values, the middle one with it, for costs to which busy neighbours add more than they ever take away. */
export function quietMeanOf(values: readonly number[]): number {
  const quiet = values.toSorted((one, other) => one - other).slice(0, Math.ceil(values.length / 2));
  return quiet.reduce((sum, value) => sum + value, 0) / quiet.length;
}
