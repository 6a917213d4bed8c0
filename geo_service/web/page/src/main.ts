// The map page: puts the parts together and tells each of them what has changed.

import "maplibre-gl/dist/maplibre-gl.css";
import "./page.css"; // after MapLibre's own, which it overrules
import * as api from "./api";
import { drawAttention, NEW_FOR_MS } from "./attention";
import { Board } from "./board";
import { drawControls, Tip } from "./controls";
import { byId } from "./elements";
import { Finder } from "./find";
import { Freshness } from "./freshness";
import { Language, NOT_DRAWN, UNREACHABLE } from "./language";
import { drawLegend } from "./legend";
import { Live } from "./live";
import { PlaceMap, type PlaceName } from "./map";
import { News } from "./news";
import { drawPlace } from "./place";
import * as places from "./places";
import { Plane } from "./plane";
import { Scrubber } from "./scrubber";
import { PATROL, type Theme } from "./style";

declare global {
  interface Window {
    geoMap: PlaceMap["gl"];
  }
}

const TRY_AGAIN_MS = 3_000; // while the server does not answer at all
const QUIET_MS = 400; // places are asked for again at most this often, and after three times as long as the answer took

class Page {
  private readonly language: Language;
  private readonly plane: Plane;
  private readonly map: PlaceMap;
  private readonly board: Board;
  private readonly finder: Finder;
  private readonly freshness: Freshness;
  private readonly news: News;
  private readonly scrubber: Scrubber;
  private readonly live: Live;
  private readonly dark = matchMedia("(prefers-color-scheme: dark)");
  private readonly levels: api.Level[];
  private moment: api.Moment;
  private revision: number;
  private layers: Set<string>;
  private places: places.Place[] | null = null;
  private placesOf: api.Moment | null = null;
  private readonly shapes: places.Shapes = new Map();
  private chosen: PlaceName | null = null;
  private why: api.Why | null = null;
  private whyFailed = false;
  private asking = new AbortController();
  private askingWhy = new AbortController();
  private again: ReturnType<typeof setTimeout> | undefined;
  private restUntil = 0;

  constructor(private config: api.Config) {
    this.levels = api.looks(config);
    this.language = new Language(config.texts, config.language);
    this.moment = { month: config.month, asOf: "" };
    this.revision = config.revision;
    this.layers = new Set(config.layers.map((layer) => layer.id).filter((id) => id !== PATROL));
    this.plane = new Plane(config.layers, this.moment);
    this.map = new PlaceMap(byId("map"), config, this.plane, this.theme, this.layers);
    window.geoMap = this.map.gl;
    this.finder = new Finder(
      this.language,
      this.levels,
      () => this.places ?? [],
      (place) => this.goTo(place),
    );
    this.board = new Board(byId("board"), this.finder.root);
    this.freshness = new Freshness(this.board.freshness, this.language, (month) => void this.noticeMonth(month));
    this.news = new News(byId("news"), this.language, this.levels, (place) => this.goTo(place));
    const tip = new Tip(byId("map"), this.language, config.levels);
    this.map.onHover = (hovered) => tip.show(hovered, hovered && "place" in hovered ? this.countOf(hovered.place) : null);
    this.map.onChoose = (place) => this.choose(place);
    this.scrubber = new Scrubber(byId("scrubber"), this.language, (moment) => this.showMoment(moment));
    this.scrubber.place(document.body, this.board.freshness);
    this.live = new Live({
      onDelta: (delta) => this.map.redraw(this.plane.hear(delta)),
      onGap: () => {
        this.plane.forget();
        this.map.redraw();
      },
      onRevision: (seq) => void this.hear(seq),
      onMonth: (month) => void this.noticeMonth(month),
      onChannel: (channel) => this.freshness.hear(channel),
    });
  }

  start(): void {
    this.draw();
    this.map.gl.once("style.load", () => {
      void this.loadPlaces();
      this.live.start(this.config); // nothing since the configuration is missed
    });
    this.dark.addEventListener("change", () => this.map.paint(this.theme, this.layers));
    addEventListener("keydown", (event) => event.key === "Escape" && this.choose(null));
  }

  private get theme(): Theme {
    return this.dark.matches ? "dark" : "light";
  }

  private ready(): void {
    document.body.dataset["ready"] = "true";
    document.body.dataset["revision"] = String(this.revision);
  }

  private draw(): void {
    document.title = this.language.pick(this.config.title);
    this.map.gl.getCanvas().setAttribute("aria-label", this.language.say("page.map"));
    this.board.draw({
      ...{ language: this.language, config: this.config, moment: this.moment, layers: this.layers },
      onMoment: (moment) => void this.showMoment(moment),
      onLayers: (layers) => this.showLayers(layers),
      onLanguage: (code) => {
        this.language.choose(code);
        this.draw();
      },
    });
    drawControls(byId("controls"), this.language, {
      nearer: () => this.map.gl.zoomIn(),
      farther: () => this.map.gl.zoomOut(),
      whole: () => this.map.showWhole(this.config.bounds),
    });
    this.finder.draw();
    this.scrubber.draw(this.config, this.moment);
    this.freshness.draw();
    this.drawState();
  }

  private drawState(): void {
    const { language, config, levels } = this;
    // What one more incident would do is worth saying of the current month only.
    const current = this.moment.month === config.month;
    const lowest = current ? places.lowestCounts(config.levels) : new Map<number | null, number>();
    const counts = this.places && places.perLevel(this.places, levels);
    drawLegend(this.board.legend, language, levels, counts);
    drawAttention(this.board.attention, {
      ...{ language, lowest, levels, places: this.places },
      chosen: this.chosen && places.keyOf(this.chosen),
      onChoose: (place) => this.goTo(place),
    });
    if (!this.chosen) return;
    drawPlace(byId("place"), {
      ...{ language, lowest, levels, timeZone: config.time_zone, why: this.why, failed: this.whyFailed },
      onClose: () => this.choose(null),
    });
  }

  /** Show a month, as it is known now or as it was known then; done when all of it is on the screen. */
  private async showMoment(moment: api.Moment): Promise<void> {
    this.moment = moment;
    this.plane.show(moment);
    this.news.hide();
    this.map.redraw();
    this.draw();
    void this.loadWhy();
    const drawn = new Promise<void>((done) => this.map.whenDrawn(done));
    await Promise.all([drawn, this.loadPlaces()]);
  }

  private showLayers(layers: Set<string>): void {
    this.layers = layers;
    this.map.paint(this.theme, layers);
    this.draw();
    void this.loadPlaces();
  }

  private goTo(place: places.Place): void {
    this.board.lower();
    this.map.flyTo(place.box);
    this.choose(place);
  }

  private choose(place: PlaceName | null): void {
    const panel = byId("place");
    const same = place && this.chosen && places.keyOf(place) === places.keyOf(this.chosen);
    if (!same) this.why = null;
    this.chosen = place;
    this.map.mark("chosen", place);
    panel.hidden = !place;
    document.body.classList.toggle("has-place", !!place);
    if (!place) delete panel.dataset["place"];
    this.drawState();
    void this.loadWhy();
  }

  /** Something has been committed: objects, counts and the open panel follow the colours. */
  private async hear(seq: number): Promise<void> {
    this.revision = seq;
    this.map.refreshObjects();
    void this.loadWhy();
    this.map.whenDrawn(() => {
      document.body.dataset["revision"] = String(seq);
      this.freshness.renewed();
    });
    await this.renewConfig();
    await this.loadPlaces();
  }

  private async noticeMonth(month: string): Promise<void> {
    if (month !== this.config.month) await this.renewConfig();
  }

  /** A new month may have begun, and the first places may have been loaded into an empty service. */
  private async renewConfig(): Promise<void> {
    const before = this.config;
    try {
      this.config = await api.config();
    } catch {
      return; // freshness says that the server is away; the next revision asks again
    }
    const followed = this.moment.month === before.month;
    if (isWholeWorld(before.bounds) && !isWholeWorld(this.config.bounds)) this.map.showWhole(this.config.bounds);
    if (followed && this.moment.month !== this.config.month) void this.showMoment({ ...this.moment, month: this.config.month });
    else if (this.config.months.length !== before.months.length) this.draw();
  }

  private countOf(place: PlaceName): number | null {
    const found = this.places?.find(({ layer, id }) => layer === place.layer && id === place.id);
    return found?.level == null && !found?.count ? null : found.count;
  }

  private async loadPlaces(): Promise<void> {
    clearTimeout(this.again);
    const wait = this.restUntil - performance.now();
    const { moment } = this;
    if (wait > 0 && this.placesOf === moment) {
      this.again = setTimeout(() => void this.loadPlaces(), wait);
      return;
    }
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const began = performance.now();
    try {
      const before = this.placesOf === moment ? this.places : null; // nothing rises by looking at another month
      const layers = this.config.layers.filter(({ id }) => this.layers.has(id));
      const found = await places.load(layers, moment, this.shapes, before ?? [], signal);
      if (!signal.aborted) this.showPlaces(found, before);
    } catch {
      if (!signal.aborted) this.again = setTimeout(() => void this.loadPlaces(), TRY_AGAIN_MS);
    } finally {
      this.restUntil = performance.now() + Math.max(QUIET_MS, 3 * (performance.now() - began));
    }
  }

  private showPlaces(found: places.Place[], before: places.Place[] | null): void {
    const changed = !before || places.differ(found, before);
    this.places = found;
    this.placesOf = this.moment;
    if (changed) this.map.showPoints(found);
    if (changed) this.drawState();
    const risen = before ? places.risen(found, before) : [];
    this.news.tell(risen);
    if (risen.length) setTimeout(() => this.drawState(), NEW_FOR_MS); // then they are no longer marked as new
    if (!document.body.dataset["ready"]) this.map.whenDrawn(() => this.ready());
  }

  private async loadWhy(): Promise<void> {
    this.askingWhy.abort();
    const place = this.chosen;
    if (!place) return;
    this.askingWhy = new AbortController();
    const { signal } = this.askingWhy;
    try {
      const why = await api.why(place.layer, place.id, this.moment, signal);
      if (signal.aborted) return;
      this.why = why;
      this.whyFailed = false;
    } catch {
      if (signal.aborted) return;
      this.whyFailed = true;
    }
    this.drawState();
  }
}

function isWholeWorld([west, , east]: api.Box): boolean {
  return east - west >= 360;
}

async function begin(): Promise<void> {
  const notice = byId("notice");
  try {
    const config = await api.config();
    notice.hidden = true;
    new Page(config).start();
  } catch (error) {
    const unreachable = error instanceof api.ServerAnswer || error instanceof TypeError; // fetch's word for "no answer"
    notice.hidden = false;
    notice.textContent = unreachable ? UNREACHABLE : NOT_DRAWN;
    if (!unreachable) throw error;
    setTimeout(() => void begin(), TRY_AGAIN_MS);
  }
}

void begin();
