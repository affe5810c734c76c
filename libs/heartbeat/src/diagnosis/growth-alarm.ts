/**
 * Decides when a figure that should stay small is worth a word: when it reaches the floor, and then whenever it has doubled.
 * So a leak is told a few times, however long it lasts. Below half of the floor it is forgotten.
 */
export class GrowthAlarm {
  #tellAt: number;

  constructor(private readonly floor: number) {
    this.#tellAt = floor;
  }

  isWorthTelling(figure: number): boolean {
    if (figure < this.floor / 2) this.#tellAt = this.floor;
    if (figure < this.#tellAt) return false;
    this.#tellAt = figure * 2;
    return true;
  }
}
