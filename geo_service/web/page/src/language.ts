// The words people read.  They come with the configuration (texts/zh.toml, texts/en.toml); the reader's choice is kept.

import type { Code, Words } from "./api";

const KEPT_AS = "geo_service.language";

/** Said before there is a page: the server's words may not be there yet, nor the reader's choice. */
export const UNREACHABLE = "无法连接服务器，正在重试 · The server cannot be reached, trying again";
export const NOT_DRAWN = "浏览器无法绘制地图（需要 WebGL） · This browser cannot draw the map (it has no WebGL)";

export class Language {
  private readonly texts: Record<Code, Map<string, string>>;
  code: Code;

  constructor(texts: Record<Code, unknown>, preset: Code) {
    this.texts = { zh: flat(texts.zh), en: flat(texts.en) };
    this.code = kept() ?? preset;
    this.announce();
  }

  choose(code: Code): void {
    this.code = code;
    keep(code);
    this.announce();
  }

  /** The text under a key such as "place.close", with {names} filled in; a key nobody wrote stands for itself. */
  say(key: string, values: Record<string, string | number> = {}): string {
    const text = this.texts[this.code].get(key) ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  }

  pick(words: Words): string {
    return words[this.code];
  }

  /** A code of data (a class, a category) in words, or the code itself where no word was written for it. */
  word(group: string, code: string): string {
    return this.texts[this.code].get(`${group}.${code || "unknown"}`) ?? code;
  }

  month(month: string): string {
    const [year, number] = month.split("-").map(Number) as [number, number];
    const date = new Date(Date.UTC(year, number - 1, 15));
    return new Intl.DateTimeFormat(this.locale, { year: "numeric", month: "long", timeZone: "UTC" }).format(date);
  }

  /** Date and time of day of an instant on the city's clock. */
  time(instant: string, timeZone: string): { day: string; clock: string } {
    const date = new Date(instant);
    const day = new Intl.DateTimeFormat(this.locale, { month: "short", day: "numeric", weekday: "short", timeZone });
    const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone });
    return { day: day.format(date), clock: clock.format(date) };
  }

  age(seconds: number): string {
    const [unit, size] = seconds < 60 ? ["seconds", 1] : seconds < 3600 ? ["minutes", 60] : ["hours", 3600];
    if (seconds >= 86_400 * 2) return this.say("age.days", { n: Math.floor(seconds / 86_400) });
    return this.say(`age.${unit}`, { n: Math.max(0, Math.floor(seconds / (size as number))) });
  }

  private get locale(): string {
    return this.code === "zh" ? "zh-CN" : "en-GB";
  }

  private announce(): void {
    document.documentElement.lang = this.locale;
  }
}

function flat(texts: unknown, prefix = "", into = new Map<string, string>()): Map<string, string> {
  for (const [key, value] of Object.entries((texts ?? {}) as Record<string, unknown>)) {
    if (typeof value === "string") into.set(prefix + key, value);
    else flat(value, `${prefix}${key}.`, into);
  }
  return into;
}

function kept(): Code | undefined {
  try {
    const code = localStorage.getItem(KEPT_AS);
    return code === "zh" || code === "en" ? code : undefined;
  } catch {
    return undefined; // storage is closed to this page: the choice then lasts as long as the page
  }
}

function keep(code: Code): void {
  try {
    localStorage.setItem(KEPT_AS, code);
  } catch {
    // as above
  }
}
