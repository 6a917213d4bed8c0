// What needs attention now: black and red places, and those one incident short of it.

import { lookOf, type Level } from "./api";
import { element, renew } from "./elements";
import { swatch } from "./legend";
import type { Language } from "./language";
import { keyOf, needingAttention, oneShortOf, type Place } from "./places";

export const NEW_FOR_MS = 60_000; // a place whose level has just risen is marked this long

export interface AttentionOf {
  language: Language;
  levels: Level[];
  lowest: Map<number | null, number>;
  places: Place[] | null;
  chosen: string | null;
  onChoose: (place: Place) => void;
}

export function drawAttention(root: HTMLElement, of: AttentionOf): void {
  const { language, places } = of;
  const listed = places && needingAttention(places, of.lowest);
  const heading = element(
    "h2",
    {},
    language.say("attention.title"),
    listed && element("span", { class: "badge" }, String(listed.length)),
  );
  if (!listed) return renew(root, heading, element("p", { class: "quiet" }, language.say("status.loading")));
  if (!listed.length) return renew(root, heading, element("p", { class: "quiet" }, language.say("attention.none")));
  renew(root, heading, element("ol", { class: "attention" }, ...listed.map((place) => line(place, of))));
}

function line(place: Place, of: AttentionOf): HTMLElement {
  const { language, levels } = of;
  const short = oneShortOf(place, of.lowest);
  const next = short === undefined ? undefined : lookOf(levels, short);
  const risen = Date.now() - place.changed_at < NEW_FOR_MS;
  const notes = [
    place.class && language.word("class", place.class),
    next && language.say("attention.short_of", { n: 1, level: language.pick(next.text) }),
    risen && language.say("attention.just_now"),
  ].filter((note): note is string => !!note);
  return element(
    "li",
    {},
    element(
      "button",
      {
        ...{ type: "button", class: risen ? "row risen" : "row", "data-key": keyOf(place) },
        "aria-current": keyOf(place) === of.chosen ? "true" : null,
        onclick: () => of.onChoose(place),
      },
      swatch(lookOf(levels, place.level)),
      element(
        "span",
        { class: "who" },
        element("span", { class: "name" }, place.name || language.say("place.unnamed")),
        element("span", { class: "note" }, notes.join(" · ")),
      ),
      element("span", { class: "count" }, String(place.count)),
    ),
  );
}
