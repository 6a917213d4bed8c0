// What the server answers, and the only place that asks it.  Every address is on the page's own origin.

export type Code = "zh" | "en";
export type Words = Record<Code, string>;
export type Box = [west: number, south: number, east: number, north: number]; // [deg], WGS 84

export interface Level {
  code: number | null; // null: nothing is known of the month
  name: string;
  colour: string;
  pattern: string | null;
  text: Words;
  range: Words;
}

export interface LayerInfo {
  id: string;
  title: Words;
}

export interface Config {
  title: Words;
  time_zone: string;
  month: string;
  months: string[];
  revision: number;
  bounds: Box; // the whole world while no places are loaded
  levels: Level[];
  unknown: Omit<Level, "code" | "range">; // the look of a place whose month is not on record
  layers: LayerInfo[];
  objects: LayerInfo[]; // layers of points: they wear no level
  texts: Record<Code, unknown>;
  language: Code;
}

export interface PlaceProperties {
  id: string;
  name: string;
  class: string;
  month: string;
  count?: number | null; // absent or null where the month is not on record
  level?: number | null;
  level_name: string;
  colour: string;
}

export interface PlaceFeature {
  id: number;
  geometry: { type: "Polygon"; coordinates: number[][][] } | { type: "MultiPolygon"; coordinates: number[][][][] };
  properties: PlaceProperties;
}

export interface IncidentLine {
  id: string;
  feed: string;
  called_at: string;
  category: string;
  counted: boolean;
  placed: string;
  triage: string; // "confirmed", "invalid", "": nobody has looked at it
}

export interface Rule {
  version: string;
  valid_from: string;
  yellow: number;
  orange: number;
  red: number;
  black: number;
  counted: string[];
}

/** What stands beside a colour; null where there is no past to tell it from. */
export interface Outlook {
  expected: number | null;
  low: number | null;
  high: number | null;
  chance_red: number | null;
  chance_black: number | null;
  relative_level: number | null;
  shadow_count: number;
  shadow_level: number;
  confidence: number;
  sure: number;
}

export interface Why {
  zone_kind: string;
  id: string;
  name: string;
  class: string;
  month: string;
  count: number | null;
  level: number | null;
  level_name: string;
  rule: Rule;
  provisional: number; // of the counted incidents, those nobody has looked at
  incidents: IncidentLine[];
  withheld?: "stale" | "placement"; // why the place has no colour
  outlook?: Outlook; // of the running month only
}

export interface Readiness {
  status: string; // "ready", "stale" while the database is away, "starting" before the first picture
  revision: number | null;
  picture_age_s: number | null;
  month: string | null;
}

interface Page {
  features: PlaceFeature[];
  links?: { rel: string; href: string }[];
}

const PAGE_SIZE = 10_000; // places asked for at once; the server may give fewer and links to the rest

export class ServerAnswer extends Error {
  constructor(
    readonly status: number,
    readonly address: string,
  ) {
    super(`${address} answered ${status}`);
  }
}

async function ask<T>(address: string, signal?: AbortSignal): Promise<T> {
  const answer = await fetch(address, { cache: "no-cache", signal: signal ?? null });
  if (!answer.ok) throw new ServerAnswer(answer.status, address);
  return (await answer.json()) as T;
}

export function config(): Promise<Config> {
  return ask("/map/config.json");
}

/** Every look a place can have: the levels, and that of a month nothing is known of. */
export function looks(config: Config): Level[] {
  return [...config.levels, { ...config.unknown, code: null, range: { zh: "", en: "" } }];
}

export function lookOf(levels: Level[], code: number | null | undefined): Level | undefined {
  return levels.find((level) => level.code === (code ?? null));
}

/** Every place of a layer with its state in one month, page after page. */
export async function places(layer: string, month: string, signal: AbortSignal): Promise<PlaceFeature[]> {
  const found: PlaceFeature[] = [];
  let next: string | undefined = `/collections/${layer}/items?month=${month}&limit=${PAGE_SIZE}`;
  while (next) {
    const page: Page = await ask(next, signal);
    found.push(...page.features);
    next = ownAddress(page.links?.find((link) => link.rel === "next")?.href);
  }
  return found;
}

export function why(layer: string, id: string, month: string, signal: AbortSignal): Promise<Why> {
  return ask(`/collections/${layer}/items/${encodeURIComponent(id)}/why?month=${month}`, signal);
}

/** The newest revision, as the version "1.{revision}.0" of the layer's TileJSON tells it. */
export async function revision(): Promise<number> {
  const { version } = await ask<{ version: string }>("/tiles/warnings.json");
  return Number(version.split(".")[1]);
}

/** Readiness also says how old the served picture is, and says so with status 503 when the database is away. */
export async function readiness(): Promise<Readiness> {
  const answer = await fetch("/health/ready", { cache: "no-store" });
  if (answer.status !== 200 && answer.status !== 503) throw new ServerAnswer(answer.status, "/health/ready");
  return (await answer.json()) as Readiness;
}

export function tileAddress(layer: string, month: string): string {
  return `${location.origin}/tiles/${layer}/{z}/{x}/{y}.mvt?month=${month}`;
}

/** A link of the server may carry another host name than the page was opened under (a proxy); path and query are kept. */
function ownAddress(href: string | undefined): string | undefined {
  if (!href) return undefined;
  const link = new URL(href, location.href);
  return link.pathname + link.search;
}
