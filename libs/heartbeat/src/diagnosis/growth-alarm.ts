/**
 * Decides when a figure that should stay small is reported: when it reaches the floor, and then whenever it has doubled. So a leak is
 * reported a few times, however long it lasts. A figure below half of the floor resets the alarm.
 */
export class GrowthAlarm {
  #reportAt: number;

  constructor(private readonly floor: number) {
    this.#reportAt = floor;
  }

  isWorthReporting(figure: number): boolean {
    if (figure < this.floor / 2) this.#reportAt = this.floor;
    if (figure < this.#reportAt) return false;
    this.#reportAt = figure * 2;
    return true;
  }
}
