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
  minzoom: number;
  maxzoom: number;
}

/** A layer that wears levels; `geometry` names what all its geometry tiles show. */
export interface WarningLayer extends LayerInfo {
  geometry: string;
}

/** What is shown: a month, as it is known now or ("as of" an instant, RFC 3339) as it was known then. */
export interface Moment {
  month: string;
  asOf: string; // "" now
}

export interface TileName {
  z: number;
  x: number;
  y: number;
}

/** What a commit changed: of each layer the new classes of places, and what else no longer holds. */
export interface Delta {
  seq: number;
  month: string;
  layers: Record<string, [fid: number, code: number][]>;
  months: string[]; // other months that were touched
  geometry: Record<string, string>; // layers whose geometry is another one now, and its name
}

export interface StateTile {
  digest: string; // of the geometry whose features it tells of
  classes: Uint8Array; // one a feature, in their order
}

// Classes of a state tile: 0 to 4 are levels, 15 is "not on record".
export const BLACKEST = 4;
export const WITHHELD: Record<number, string> = { 13: "placement", 14: "stale" };

export interface Config {
  title: Words;
  time_zone: string;
  month: string;
  months: string[];
  revision: number;
  position: string; // in the stream /live: what comes after it is news
  bounds: Box; // the whole world while no places are loaded
  levels: Level[];
  unknown: Omit<Level, "code" | "range">; // the look of a place whose month is not on record
  layers: WarningLayer[];
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

export type Shape =
  | { type: "Polygon"; coordinates: number[][][] }
  | { type: "MultiPolygon"; coordinates: number[][][][] };

export interface PlaceFeature {
  id: number;
  geometry: Shape | null;
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

/** Every month from the first with incidents to the current one, and the one shown, ascending. */
export function monthsOnRecord(config: Config, shown: Moment): string[] {
  const [first = config.month, last] = [config.months[0], config.month];
  const found = [shown.month];
  let [year, month] = first.split("-").map(Number) as [number, number];
  for (let name = first; name <= last; ) {
    found.push(name);
    [year, month] = month === 12 ? [year + 1, 1] : [year, month + 1];
    name = `${year}-${String(month).padStart(2, "0")}`;
  }
  return [...new Set([...found, ...config.months])].sort();
}

/** Every place of a layer with its state at a moment, page after page; without geometry its shape is null. */
export async function places(
  layer: string,
  moment: Moment,
  withGeometry: boolean,
  signal: AbortSignal,
): Promise<PlaceFeature[]> {
  const found: PlaceFeature[] = [];
  const form = withGeometry ? "" : "&geometry=false";
  let next: string | undefined = `/collections/${layer}/items?${queryOf(moment)}&limit=${PAGE_SIZE}${form}`;
  while (next) {
    const page: Page = await ask(next, signal);
    found.push(...page.features);
    next = ownAddress(page.links?.find((link) => link.rel === "next")?.href);
  }
  return found;
}

export function why(layer: string, id: string, { month, asOf }: Moment, signal: AbortSignal): Promise<Why> {
  const then = asOf && `&as_of=${encodeURIComponent(asOf)}`;
  return ask(`/collections/${layer}/items/${encodeURIComponent(id)}/why?month=${month}${then}`, signal);
}

/** The places of a tile without their colours, empty where there are none; null where they have changed since. */
export async function geometryTile(
  digest: string,
  layer: string,
  { z, x, y }: TileName,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  return bytes(`/g/${digest}/${layer}/${z}/${x}/${y}.mvt`, { signal });
}

/** The classes of a tile at a moment. */
export async function stateTile(
  layer: string,
  { z, x, y }: TileName,
  moment: Moment,
  signal: AbortSignal,
): Promise<StateTile | null> {
  const content = await bytes(`/states/${layer}/${z}/${x}/${y}?${queryOf(moment)}`, { cache: "no-cache", signal });
  return content && readState(content);
}

/** A tile in the colours the server gives it: what plain clients get. */
export async function bakedTile(
  layer: string,
  tile: TileName,
  moment: Moment,
  signal: AbortSignal,
): Promise<ArrayBuffer> {
  const { z, x, y } = tile;
  const content = await bytes(`/tiles/${layer}/${z}/${x}/${y}.mvt?${queryOf(moment)}`, { cache: "no-cache", signal });
  return (content ?? new Uint8Array()).buffer;
}

async function bytes(address: string, options: RequestInit): Promise<Uint8Array<ArrayBuffer> | null> {
  const answer = await fetch(address, options);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new ServerAnswer(answer.status, address);
  return new Uint8Array(await answer.arrayBuffer());
}

const STATE_HEAD = 28; // [bytes] "GST1", digest (12), sequence (uint64), count (uint32), numbers with the low byte first

/** Read a state tile: after its head two classes a byte, the low half first; no bytes are a tile without places. */
export function readState(content: Uint8Array<ArrayBuffer>): StateTile {
  if (!content.length) return { digest: "", classes: new Uint8Array() };
  const view = new DataView(content.buffer);
  if (content.length < STATE_HEAD || view.getUint32(0) !== 0x47535431) throw new Error("this is no state tile");
  const digest = [...content.subarray(4, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const count = view.getUint32(24, true);
  const classes = new Uint8Array(count);
  for (let i = 0; i < count; i++) classes[i] = ((content[STATE_HEAD + (i >> 1)] ?? 0xff) >> (4 * (i & 1))) & 15;
  return { digest, classes };
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

export function objectTiles(layer: string): string {
  return `${location.origin}/tiles/${layer}/{z}/{x}/{y}.mvt`;
}

function queryOf({ month, asOf }: Moment): string {
  return asOf ? `month=${month}&as-of=${encodeURIComponent(asOf)}` : `month=${month}`;
}

/** A link of the server may carry another host name than the page was opened under (a proxy); path and query are kept. */
function ownAddress(href: string | undefined): string | undefined {
  if (!href) return undefined;
  const link = new URL(href, location.href);
  return link.pathname + link.search;
}
