// The panel beside the map: title, freshness, month, layers, legend, and what needs attention.

import type { Code, Config } from "./api";
import { element, icon, ICONS, renew } from "./elements";
import type { Language } from "./language";
import { listingOrder } from "./style";

export interface BoardOf {
  language: Language;
  config: Config;
  month: string;
  layers: ReadonlySet<string>;
  onMonth: (month: string) => void;
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
  const { language, config } = of;
  const known = [...new Set([...config.months, config.month, of.month])].sort().reverse();
  const options = known.map((month) => {
    const now = month === config.month ? ` · ${language.say("month.current")}` : "";
    return element("option", { value: month, selected: month === of.month }, language.month(month) + now);
  });
  const select = element(
    "select",
    {
      ...{ id: "month", "data-key": "month" },
      onchange: (event) => of.onMonth((event.target as HTMLSelectElement).value),
    },
    ...options,
  );
  const parts: HTMLElement[] = [element("label", { for: "month" }, language.say("month.label")), select];
  if (of.month !== config.month) {
    const back = { type: "button", class: "back", "data-key": "back", onclick: () => of.onMonth(config.month) };
    const text = element("span", {}, language.say("page.past_month"));
    parts.push(element("p", { class: "past" }, text, element("button", back, language.say("page.back_to_current"))));
  }
  return parts;
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
