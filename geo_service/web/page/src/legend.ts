// What the colours mean, and how many places stand at each in the month shown.

import type { Level } from "./api";
import { element, renew } from "./elements";
import type { Language } from "./language";
import { hasPattern, patternBackground } from "./patterns";

/** A small field of a level's colour and pattern. */
export function swatch(level: Level | undefined): HTMLElement {
  const field = element("span", { class: "swatch", "aria-hidden": "true" });
  if (!level) return field;
  field.dataset["code"] = String(level.code);
  field.style.background = hasPattern(level) ? `${patternBackground(level)}, ${level.colour}` : level.colour;
  return field;
}

export function drawLegend(
  root: HTMLElement,
  language: Language,
  levels: Level[],
  counts: Map<number | null, number> | null,
): void {
  const shown = levels.filter((level) => level.code !== null || counts?.get(null));
  const rows = shown.map((level) =>
    element(
      "li",
      { "data-level": level.name },
      swatch(level),
      element("span", { class: "what" }, language.pick(level.text)),
      element("span", { class: "range" }, language.pick(level.range)),
      number(language, counts?.get(level.code)),
    ),
  );
  renew(root, element("h2", {}, language.say("legend")), element("ul", { class: "levels" }, ...rows));
}

function number(language: Language, count: number | undefined): HTMLElement {
  if (count === undefined) return element("span", { class: "number" }, "…");
  return element("span", { class: "number", title: language.say("page.places", { count }) }, String(count));
}
