// A short word on the map when places rise to a higher level: who looks elsewhere hears of it, who is near can go there.

import { lookOf, type Level } from "./api";
import { element, renew } from "./elements";
import { swatch } from "./legend";
import type { Language } from "./language";
import type { Place } from "./places";

const SHOWN_MS = 12_000;
const MOST = 3; // places named at once, the highest levels first

export class News {
  private hiding: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly root: HTMLElement,
    private readonly language: Language,
    private readonly levels: Level[],
    private readonly onChoose: (place: Place) => void,
  ) {}

  tell(risen: Place[]): void {
    if (!risen.length) return;
    const named = [...risen].sort((a, b) => (b.level ?? 0) - (a.level ?? 0) || b.count - a.count).slice(0, MOST);
    renew(this.root, ...named.map((place) => this.line(place)));
    this.root.hidden = false;
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => this.hide(), SHOWN_MS);
  }

  hide(): void {
    this.root.hidden = true;
  }

  private line(place: Place): HTMLElement {
    const level = lookOf(this.levels, place.level);
    const values = { name: place.name, level: level ? this.language.pick(level.text) : "" };
    const go = (): void => {
      this.hide();
      this.onChoose(place);
    };
    return element(
      "button",
      { type: "button", onclick: go },
      swatch(level),
      this.language.say("status.changed", values),
    );
  }
}
