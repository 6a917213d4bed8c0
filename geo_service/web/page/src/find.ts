// The search box: type part of a name, go there with the arrows and Enter.  (Pattern: WAI-ARIA combobox with a list.)

import { lookOf, type Level } from "./api";
import { element, icon, ICONS } from "./elements";
import { swatch } from "./legend";
import type { Language } from "./language";
import { search, type Place } from "./places";

const MOST = 8; // places offered at once

export class Finder {
  private readonly input = element("input", {
    ...{ type: "search", role: "combobox", autocomplete: "off", spellcheck: "false", "data-key": "find" },
    ...{ "aria-autocomplete": "list", "aria-controls": "found", "aria-expanded": "false" },
    oninput: () => this.offer(),
    onfocus: () => this.offer(),
    onblur: () => setTimeout(() => this.close(), 150), // a click on an offer takes the focus first
    onkeydown: (event) => this.key(event as KeyboardEvent),
  });
  private readonly list = element("ul", { id: "found", role: "listbox", hidden: true });
  private offered: Place[] = [];
  private at = -1;
  readonly root = element("div", { class: "find" }, icon(ICONS.find), this.input, this.list);

  constructor(
    private readonly language: Language,
    private readonly levels: Level[],
    private readonly places: () => Place[],
    private readonly onChoose: (place: Place) => void,
  ) {}

  draw(): void {
    this.input.placeholder = this.language.say("map.find");
    this.input.setAttribute("aria-label", this.language.say("map.find"));
  }

  private offer(): void {
    this.offered = search(this.places(), this.input.value, MOST);
    this.at = this.offered.length ? 0 : -1;
    this.show();
  }

  private show(): void {
    const typed = this.input.value.trim() !== "";
    const none = element("li", { class: "quiet" }, this.language.say("map.not_found"));
    this.list.replaceChildren(
      ...(this.offered.length ? this.offered.map((place, i) => this.option(place, i)) : [none]),
    );
    this.list.hidden = !typed;
    this.input.setAttribute("aria-expanded", String(typed));
    this.input.setAttribute("aria-activedescendant", this.at >= 0 ? `found-${this.at}` : "");
  }

  private option(place: Place, i: number): HTMLElement {
    const level = lookOf(this.levels, place.level);
    return element(
      "li",
      {
        ...{ id: `found-${i}`, role: "option", "aria-selected": String(i === this.at) },
        onmousedown: (event) => event.preventDefault(),
        onclick: () => this.choose(place),
      },
      swatch(level),
      element("span", { class: "name" }, place.name),
      element("span", { class: "note" }, place.class && this.language.word("class", place.class)),
    );
  }

  private key(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const place = this.offered[this.at];
    if (step && this.offered.length) {
      this.at = (this.at + step + this.offered.length) % this.offered.length;
      this.show();
    } else if (event.key === "Enter" && place && !this.list.hidden) this.choose(place);
    else if (event.key === "Escape" && !this.list.hidden) this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private choose(place: Place): void {
    this.input.value = "";
    this.close();
    this.onChoose(place);
  }

  private close(): void {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }
}
