// One place and month: its colour, the rule behind it, and the incidents it comes from.

import { lookOf, type IncidentLine, type Level, type Rule, type Why } from "./api";
import { element, icon, ICONS, renew } from "./elements";
import { swatch } from "./legend";
import type { Language } from "./language";
import { oneShortOf } from "./places";

export interface PlaceOf {
  language: Language;
  levels: Level[];
  lowest: Map<number | null, number>;
  timeZone: string;
  why: Why | null;
  failed: boolean;
  onClose: () => void;
}

export function drawPlace(root: HTMLElement, of: PlaceOf): void {
  const { language, why } = of;
  const close = element(
    "button",
    {
      type: "button",
      class: "close",
      "data-key": "close",
      "aria-label": language.say("place.close"),
      onclick: of.onClose,
    },
    icon(ICONS.close),
  );
  root.setAttribute("aria-label", why?.name ?? language.say("status.loading"));
  if (!why) {
    const text = language.say(of.failed ? "status.error" : "status.loading");
    return renew(root, close, element("p", { class: "quiet" }, text));
  }
  root.dataset["place"] = why.id;
  const scrolled = root.querySelector(".scroll")?.scrollTop ?? 0;
  const body = element(
    "div",
    { class: "scroll", tabindex: 0, "data-key": "body" },
    ...beside(why, of),
    ...incidents(why, of),
    ...rule(why, of),
  );
  renew(root, close, head(why, of), body);
  root.querySelector(".scroll")?.scrollTo(0, scrolled);
}

function head(why: Why, of: PlaceOf): HTMLElement {
  const { language } = of;
  const level = lookOf(of.levels, why.level);
  const short = oneShortOf(why, of.lowest);
  const next = short === undefined ? undefined : lookOf(of.levels, short);
  const about = [
    why.class && language.word("class", why.class),
    why.id !== why.name && why.id,
    language.month(why.month),
  ];
  return element(
    "header",
    {},
    element("h2", { tabindex: -1, "data-key": "name" }, why.name || language.say("place.unnamed")),
    element("p", { class: "quiet" }, about.filter(Boolean).join(" · ")),
    element(
      "div",
      { class: "standing", "data-level": why.level_name },
      swatch(level),
      element("span", { class: "count" }, String(why.count ?? "—")),
      element(
        "span",
        { class: "what" },
        language.say("place.count"),
        element("strong", {}, level ? language.pick(level.text) : ""),
      ),
    ),
    steps(why, of),
    why.provisional > 0 && provisional(why, language),
    next &&
      element("p", { class: "short" }, language.say("attention.short_of", { n: 1, level: language.pick(next.text) })),
  );
}

/** How much of the count nobody has looked at yet, and the way to where one does: the day of the newest such call. */
function provisional(why: Why, language: Language): HTMLElement {
  const days = why.incidents.filter((one) => one.counted && !one.triage).map((one) => one.called_at.slice(0, 10));
  const there = element(
    "a",
    { href: `triage#${days.sort().at(-1)}`, "data-key": "triage" },
    language.say("triage.not_triaged", { n: why.provisional }),
  );
  return element("p", { class: "quiet provisional" }, there);
}

/** What stands beside the colour: why there is none, how likely worse is, how usual and how sure it is. */
function beside(why: Why, of: PlaceOf): HTMLElement[] {
  const { language } = of;
  const lines: string[] = [];
  if (why.withheld) lines.push(language.say(`outlook.${why.withheld}`));
  const found = why.outlook;
  if (found) {
    const share = (value: number): string => `${Math.round(100 * value)} %`;
    const named = (code: number): string => {
      const level = lookOf(of.levels, code);
      return level ? language.pick(level.text) : "";
    };
    if (found.expected !== null && found.chance_red !== null && found.chance_black !== null) {
      const { low, high } = found;
      lines.push(language.say("outlook.expected", { expected: found.expected.toFixed(1), low: low ?? 0, high: high ?? 0 }));
      lines.push(language.say("outlook.chance", { red: share(found.chance_red), black: share(found.chance_black) }));
    }
    if (found.relative_level !== null) {
      const level = language.say(`outlook.relative_${found.relative_level > 0 ? "more" : "usual"}`);
      lines.push(`${level}${found.relative_level > 0 ? ` · ${named(found.relative_level)}` : ""}`);
    }
    lines.push(language.say("outlook.shadow", { count: found.shadow_count, level: named(found.shadow_level) }));
    if (found.confidence < found.sure) lines.push(language.say("outlook.unsure", { share: share(found.confidence) }));
  }
  return lines.length
    ? [element("h3", {}, language.say("outlook.title")), ...lines.map((line) => element("p", { class: "quiet" }, line))]
    : [];
}

function incidents(why: Why, of: PlaceOf): HTMLElement[] {
  const { language } = of;
  if (!why.incidents.length) return [element("p", { class: "quiet" }, language.say("incidents.none"))];
  const counted = why.incidents.filter((one) => one.counted).length;
  const title = [
    language.say("incidents.number", { count: why.incidents.length }),
    counted < why.incidents.length && language.say("page.counted_here", { count: counted }),
  ].filter(Boolean);
  const newestFirst = [...why.incidents].sort((a, b) => Date.parse(b.called_at) - Date.parse(a.called_at));
  return [
    element("h3", {}, title.join(" · ")),
    element("ol", { class: "incidents" }, ...newestFirst.map((one) => incident(one, of))),
  ];
}

function incident(one: IncidentLine, of: PlaceOf): HTMLElement {
  const { language } = of;
  const { day, clock } = language.time(one.called_at, of.timeZone);
  const looked = { confirmed: language.say("incidents.confirmed"), invalid: language.say("incidents.invalid") };
  const notes = [
    language.word("placed", one.placed),
    looked[one.triage as keyof typeof looked],
    !one.counted && language.say("incidents.not_counted"),
    one.id,
  ];
  return element(
    "li",
    { class: one.counted ? "counted" : "not-counted" },
    element(
      "time",
      { datetime: one.called_at },
      element("span", { class: "day" }, day),
      element("span", { class: "clock" }, clock),
    ),
    element(
      "span",
      { class: "who" },
      element("span", { class: "name" }, language.word("category", one.category)),
      element("span", { class: "note" }, notes.filter(Boolean).join(" · ")),
    ),
  );
}

/** The counts from which each level holds, as they were in this month, with the place's own level marked. */
function steps(why: Why, of: PlaceOf): HTMLElement {
  const levels = of.levels.filter((level) => level.code !== null);
  const lines = levels.map((level, i) => {
    const from = level.code === 0 ? 0 : why.rule[level.name as "yellow" | "orange" | "red" | "black"];
    const next = levels[i + 1];
    return element(
      "li",
      { "aria-current": level.code === why.level ? "true" : null, title: of.language.pick(level.text) },
      swatch(level),
      element("span", {}, next ? range(from, Number(why.rule[next.name as keyof Rule]) - 1) : `≥ ${from}`),
    );
  });
  return element("ol", { class: "steps", "aria-label": of.language.say("page.thresholds") }, ...lines);
}

function range(from: number, to: number): string {
  return to > from ? `${from}–${to}` : String(from);
}

/** What the colour comes from, in words. */
function rule(why: Why, of: PlaceOf): HTMLElement[] {
  const { language } = of;
  const counted = why.rule.counted.map((category) => language.word("category", category));
  const [colon, separator] = language.code === "zh" ? ["：", "、"] : [": ", ", "];
  return [
    element("h3", {}, language.say("place.why")),
    element("p", { class: "quiet" }, language.say("place.counted_categories") + colon + counted.join(separator)),
    element(
      "p",
      { class: "quiet" },
      language.say("place.rule", { version: why.rule.version, valid_from: why.rule.valid_from }),
    ),
  ];
}
