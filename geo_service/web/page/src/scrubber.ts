// The bar of time: drag or play through the months on record, and see a month as it was known on an earlier day.
//
// Its parts are made once: who drags must not have the handle taken away because something was committed.

import { monthsOnRecord, type Config, type Moment } from "./api";
import { element, icon, ICONS } from "./elements";
import type { Language } from "./language";

const STEP_MS = 900; // a month is shown at least this long while the months play
const NARROW = matchMedia("(max-width: 719px)"); // a phone: the bar belongs to the sheet

export class Scrubber {
  private readonly play = element("button", { type: "button", class: "play", onclick: () => this.toggle() });
  private readonly range = element("input", {
    ...{ type: "range", min: 0, step: 1, "data-key": "scrub" },
    oninput: () => this.goTo(Number(this.range.value)),
  });
  private readonly years = element("div", { class: "years", "aria-hidden": "true" });
  private readonly label = element("output", { class: "shown" });
  private readonly known = element("input", { type: "date", "data-key": "as-of", onchange: () => this.look() });
  private readonly knownLabel = element("span");
  private months: string[] = [];
  private config: Config | undefined;
  private moment: Moment = { month: "", asOf: "" };
  private playing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly root: HTMLElement,
    private readonly language: Language,
    private readonly onMoment: (moment: Moment) => Promise<void>,
  ) {
    const track = element("div", { class: "track" }, this.range, this.years);
    const known = element("label", { class: "known" }, this.knownLabel, this.known);
    root.append(this.play, track, this.label, known);
    root.addEventListener("keydown", (event) => this.key(event));
  }

  draw(config: Config, moment: Moment): void {
    const { language } = this;
    this.config = config;
    this.moment = moment;
    this.months = monthsOnRecord(config, moment);
    const at = this.months.indexOf(moment.month);
    this.root.hidden = this.months.length < 2;
    this.root.setAttribute("aria-label", language.say("month.scrub"));
    this.range.max = String(this.months.length - 1);
    this.range.value = String(at);
    this.range.setAttribute("aria-label", language.say("month.label"));
    this.range.setAttribute("aria-valuetext", language.month(moment.month));
    this.range.style.setProperty("--done", `${(100 * at) / Math.max(1, this.months.length - 1)}%`);
    this.label.textContent = language.month(moment.month);
    this.knownLabel.textContent = language.say("month.as_known_on");
    this.known.value = moment.asOf.slice(0, 10);
    this.known.max = new Intl.DateTimeFormat("en-CA", { timeZone: config.time_zone }).format(Date.now());
    this.drawYears();
    this.drawPlay();
  }

  /** A tick where each year begins. */
  private drawYears(): void {
    const last = Math.max(1, this.months.length - 1);
    const januaries = this.months.flatMap((month, at) => (month.endsWith("-01") ? [{ year: month.slice(0, 4), at }] : []));
    const ticks = januaries.map(({ year, at }) => {
      const tick = element("span", {}, year);
      tick.style.left = `${(100 * at) / last}%`; // set here: the page's policy knows no style attributes
      return tick;
    });
    this.years.replaceChildren(...ticks);
  }

  private drawPlay(): void {
    const text = this.language.say(this.playing ? "month.pause" : "month.play");
    this.play.setAttribute("aria-label", text);
    this.play.title = text;
    this.play.replaceChildren(icon(this.playing ? ICONS.pause : ICONS.play));
  }

  private toggle(): void {
    if (this.playing) return this.stop();
    // From the end it begins again.
    if (this.moment.month === this.months.at(-1)) void this.show(0);
    this.playing = setTimeout(() => void this.next(), STEP_MS);
    this.drawPlay();
  }

  private stop(): void {
    clearTimeout(this.playing);
    this.playing = undefined;
    this.drawPlay();
  }

  /** One month on, once the last one has been seen. */
  private async next(): Promise<void> {
    const at = this.months.indexOf(this.moment.month) + 1;
    if (at >= this.months.length) return this.stop();
    const seen = this.show(at);
    const step = new Promise((done) => setTimeout(done, STEP_MS));
    await Promise.all([seen, step]);
    if (this.playing) this.playing = setTimeout(() => void this.next(), 0);
  }

  private goTo(at: number): void {
    this.stop();
    void this.show(at);
  }

  private async show(at: number): Promise<void> {
    const month = this.months[at];
    if (month) await this.onMoment({ ...this.moment, month });
  }

  private look(): void {
    const day = this.known.value;
    const asOf = day && this.config ? endOf(day, this.config.time_zone) : "";
    void this.onMoment({ ...this.moment, asOf });
  }

  /** The arrows move wherever the focus is in the bar, not only on its handle; the date has arrows of its own. */
  private key(event: KeyboardEvent): void {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target === this.range || event.target === this.known) return;
    const at = this.months.indexOf(this.moment.month) + step;
    if (at < 0 || at >= this.months.length) return;
    event.preventDefault();
    this.goTo(at);
  }

  /** On a phone the bar lies in the sheet, elsewhere on the map. */
  place(map: HTMLElement, sheet: HTMLElement): void {
    const put = (): void => (NARROW.matches ? sheet.after(this.root) : map.append(this.root));
    NARROW.addEventListener("change", put);
    put();
  }
}

/** The last second of a day in a time zone, as RFC 3339. */
function endOf(day: string, timeZone: string): string {
  const noon = new Date(`${day}T12:00:00Z`);
  const parts = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" }).formatToParts(noon);
  const offset = parts.find(({ type }) => type === "timeZoneName")?.value.replace("GMT", "") || "+00:00";
  return `${day}T23:59:59${offset}`;
}
