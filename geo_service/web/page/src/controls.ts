// Buttons on the map (nearer, farther, the whole city) and the small text that follows the pointer.

import { lookOf, type Level } from "./api";
import { element, icon, ICONS, renew } from "./elements";
import { swatch } from "./legend";
import type { Language } from "./language";
import type { Hovered } from "./map";

export interface Moves {
  nearer: () => void;
  farther: () => void;
  whole: () => void;
}

export function drawControls(root: HTMLElement, language: Language, moves: Moves): void {
  const button = (key: string, path: string, move: () => void): HTMLElement =>
    element(
      "button",
      { type: "button", "data-key": key, "aria-label": language.say(key), title: language.say(key), onclick: move },
      icon(path),
    );
  renew(
    root,
    button("map.zoom_in", ICONS.plus, moves.nearer),
    button("map.zoom_out", ICONS.minus, moves.farther),
    button("map.whole_city", ICONS.whole, moves.whole),
  );
}

export class Tip {
  private readonly root = element("div", { id: "tip", hidden: true, "aria-hidden": "true" });

  constructor(
    within: HTMLElement,
    private readonly language: Language,
    private readonly levels: Level[],
  ) {
    within.append(this.root);
  }

  /** `count`: of a place, where it is known [incidents]. */
  show(hovered: Hovered | null, count: number | null): void {
    this.root.hidden = !hovered || !matchMedia("(hover: hover)").matches;
    if (!hovered) return;
    const level = lookOf(this.levels, hovered.level);
    const { language } = this;
    if ("places" in hovered) {
      const words = { count: hovered.places, level: level ? language.pick(level.text) : "—" };
      renew(this.root, swatch(level), element("span", {}, language.say("map.group", words)));
    } else {
      const name = hovered.place.name || language.say("place.unnamed");
      renew(this.root, swatch(level), element("span", {}, name), element("strong", {}, String(count ?? "—")));
    }
    this.root.style.transform = `translate(${hovered.x + 14}px, ${hovered.y + 16}px)`;
  }
}
