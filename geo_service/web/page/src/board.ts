// The panel beside the map: title, freshness, month, layers, legend, and what needs attention.

import { monthsOnRecord, type Code, type Config, type Moment } from "./api";
import { element, icon, ICONS, renew } from "./elements";
import type { Language } from "./language";
import { listingOrder } from "./style";

export interface BoardOf {
  language: Language;
  config: Config;
  moment: Moment;
  layers: ReadonlySet<string>;
  onMoment: (moment: Moment) => void;
  onLanguage: (code: Code) => void;
  onLayers: (layers: Set<string>) => void;
}

const LANGUAGES: [Code, string, string][] = [
  ["zh", "中文", "zh-CN"],
  ["en", "English", "en-GB"],
];

export class Board {
  readonly freshness = element("p", { class: "freshness" });
  readonly legend = element("section", { class: "legend" });
  readonly attention = element("section", { class: "attention-part" });
  private readonly foot = element("p", { class: "foot" });
  private readonly head = element("header");
  private readonly month = element("div", { class: "month" });
  private readonly layers = element("fieldset", { class: "layers" });
  private readonly handle = element("button", { type: "button", class: "handle", onclick: () => this.toggle() });
  private language: Language | undefined;

  constructor(
    private readonly root: HTMLElement,
    find: HTMLElement,
  ) {
    const body = element("div", { class: "body" }, this.month, find, this.layers, this.legend, this.attention, this.foot);
    root.append(this.handle, this.head, this.freshness, body);
  }

  draw(of: BoardOf): void {
    this.language = of.language;
    this.root.setAttribute("aria-label", of.language.pick(of.config.title));
    renew(this.head, element("h1", {}, of.language.pick(of.config.title)), languages(of));
    renew(this.month, ...months(of));
    renew(this.layers, element("legend", {}, of.language.say("layers")), ...switches(of));
    const queues = [
      ["queues", "queue.title"],
      ["triage", "triage.title"],
      ["tasks", "task.title"],
      ["messages", "messages.title"],
      ["statistics", "statistics.heading"],
    ] as const;
    const links = queues.map(([href, title]) => element("a", { href, "data-key": href }, of.language.say(title)));
    renew(this.foot, ...links);
    this.drawHandle();
  }

  /** On a phone the panel is a sheet: lowered it leaves the map free. */
  lower(): void {
    this.root.classList.remove("raised");
    this.drawHandle();
  }

  private toggle(): void {
    this.root.classList.toggle("raised");
    this.drawHandle();
  }

  private drawHandle(): void {
    const raised = this.root.classList.contains("raised");
    this.handle.setAttribute("aria-expanded", String(raised));
    this.handle.setAttribute("aria-label", this.language?.say(raised ? "page.collapse" : "page.expand") ?? "");
    this.handle.replaceChildren(icon(ICONS.up));
  }
}

function languages(of: BoardOf): HTMLElement {
  const buttons = LANGUAGES.map(([code, name, lang]) =>
    element(
      "button",
      {
        ...{ type: "button", lang, "data-key": `language-${code}`, "data-language": code },
        "aria-pressed": String(code === of.language.code),
        onclick: () => of.onLanguage(code),
      },
      name,
    ),
  );
  return element("div", { class: "languages", role: "group", "aria-label": of.language.say("language") }, ...buttons);
}

function months(of: BoardOf): HTMLElement[] {
  const { language, config, moment } = of;
  const options = monthsOnRecord(config, moment)
    .reverse()
    .map((month) => {
      const now = month === config.month ? ` · ${language.say("month.current")}` : "";
      return element("option", { value: month, selected: month === moment.month }, language.month(month) + now);
    });
  const select = element(
    "select",
    {
      ...{ id: "month", "data-key": "month" },
      onchange: (event) => of.onMoment({ ...moment, month: (event.target as HTMLSelectElement).value }),
    },
    ...options,
  );
  const parts: HTMLElement[] = [element("label", { for: "month" }, language.say("month.label")), select];
  if (moment.month !== config.month) {
    parts.push(wayBack(language.say("page.past_month"), language.say("page.back_to_current"), "back", () =>
      of.onMoment({ ...moment, month: config.month }),
    ));
  }
  if (moment.asOf) {
    parts.push(wayBack(language.say("month.as_known", { date: moment.asOf.slice(0, 10) }), language.say("month.known_now"), "now", () =>
      of.onMoment({ ...moment, asOf: "" }),
    ));
  }
  return parts;
}

/** What is special about the moment shown, and a button that ends it. */
function wayBack(text: string, button: string, key: string, go: () => void): HTMLElement {
  const back = element("button", { type: "button", class: "back", "data-key": key, onclick: go }, button);
  return element("p", { class: "past" }, element("span", {}, text), back);
}

function switches(of: BoardOf): HTMLElement[] {
  return [...listingOrder(of.config.layers), ...of.config.objects].map((layer) => {
    const box = element("input", {
      ...{ type: "checkbox", "data-key": `layer-${layer.id}`, value: layer.id, checked: of.layers.has(layer.id) },
      onchange: (event) => {
        const shown = new Set(of.layers);
        if ((event.target as HTMLInputElement).checked) shown.add(layer.id);
        else shown.delete(layer.id);
        of.onLayers(shown);
      },
    });
    return element("label", {}, box, element("span", {}, of.language.pick(layer.title)));
  });
}
