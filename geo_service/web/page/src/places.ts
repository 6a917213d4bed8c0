// The places of the layers shown, with their state in one month: what legend, list and search tell of.

import * as api from "./api";
import { box, insidePoint } from "./shape";

export interface Place {
  layer: string;
  fid: number;
  id: string;
  name: string;
  class: string;
  count: number; // 0 also where the month is not on record: see level
  level: number | null;
  box: api.Box;
  point: [lon: number, lat: number]; // [deg], inside the place: where its label stands
  changed_at: number; // [ms] when this page saw its level rise, 0 never
}

/** Where a place stands in a month; null where the month is not on record. */
export interface Standing {
  count: number | null;
  level: number | null;
}

export const RED = 3;
export const BLACK = 4;

export function keyOf(place: { layer: string; id: string }): string {
  return `${place.layer}/${place.id}`;
}

/** Where the places of each layer lie: fetched once, as long as the layer's geometry keeps its name. */
export type Shapes = Map<string, { geometry: string; of: Map<string, Pick<Place, "box" | "point">> }>;

/** Ask for all places of some layers; `before` (at the same moment) tells which of them have risen since. */
export async function load(
  layers: api.WarningLayer[],
  moment: api.Moment,
  shapes: Shapes,
  before: Place[],
  signal: AbortSignal,
): Promise<Place[]> {
  const known = new Map(before.map((place) => [keyOf(place), place]));
  const found: Place[] = [];
  for (const layer of layers) {
    for (const place of await ofLayer(layer, moment, shapes, signal)) {
      found.push(withChange(place, known.get(keyOf(place))));
    }
  }
  return found;
}

async function ofLayer(
  layer: api.WarningLayer,
  moment: api.Moment,
  shapes: Shapes,
  signal: AbortSignal,
): Promise<Place[]> {
  const held = shapes.get(layer.id);
  if (held?.geometry === layer.geometry) {
    const features = await api.places(layer.id, moment, false, signal);
    const places = features.map((feature) => read(layer.id, feature, held.of.get(feature.properties.id)));
    if (places.every((place) => place !== null)) return places;
  }
  const features = await api.places(layer.id, moment, true, signal);
  const of = new Map(features.map(({ properties, geometry }) => [properties.id, shapeOf(geometry)]));
  shapes.set(layer.id, { geometry: layer.geometry, of });
  return features.flatMap((feature) => read(layer.id, feature, of.get(feature.properties.id)) ?? []);
}

function shapeOf(shape: api.Shape | null): Pick<Place, "box" | "point"> {
  if (!shape) throw new Error("a place came without its shape");
  const parts = shape.type === "Polygon" ? [shape.coordinates] : shape.coordinates;
  return { box: box(parts), point: insidePoint(parts) };
}

function read(layer: string, feature: api.PlaceFeature, shape: Pick<Place, "box" | "point"> | undefined): Place | null {
  if (!shape) return null;
  const { id, name, count, level, class: kind } = feature.properties;
  return {
    ...{ layer, fid: feature.id, id, name, class: kind, count: count ?? 0, level: level ?? null },
    ...{ ...shape, changed_at: 0 },
  };
}

function withChange(place: Place, before: Place | undefined): Place {
  if (!before) return place;
  return { ...place, changed_at: isAbove(place, before) ? Date.now() : before.changed_at };
}

function isAbove(place: Place, before: Place): boolean {
  return place.level !== null && before.level !== null && place.level > before.level;
}

/** Whether anything about the places is to be drawn anew. */
export function differ(places: Place[], before: Place[]): boolean {
  const told = (place: Place): string => [keyOf(place), place.count, place.level, place.name, ...place.point].join();
  return places.length !== before.length || places.some((place, i) => told(place) !== told(before[i] as Place));
}

/** Places whose level is higher than it was. */
export function risen(places: Place[], before: Place[]): Place[] {
  const known = new Map(before.map((place) => [keyOf(place), place]));
  return places.filter((place) => isAbove(place, known.get(keyOf(place)) ?? place));
}

/** How many places stand at each level, by code. */
export function perLevel(places: Place[], levels: api.Level[]): Map<number | null, number> {
  const counts = new Map(levels.map((level) => [level.code, 0]));
  for (const place of places) counts.set(place.level, (counts.get(place.level) ?? 0) + 1);
  return counts;
}

/** The smallest count of each level by its code, read off the range the rule gives it ("4–5", "≥ 6"). */
export function lowestCounts(levels: api.Level[]): Map<number | null, number> {
  return new Map(levels.map((level) => [level.code, Number(/\d+/.exec(level.range.en)?.[0] ?? NaN)]));
}

/** The level a place reaches with one more incident, where that is red or black and not its level already. */
export function oneShortOf(place: Standing, lowest: Map<number | null, number>): number | undefined {
  const { count, level } = place;
  if (count === null || level === null) return undefined;
  return [RED, BLACK].find((code) => code > level && count + 1 === lowest.get(code));
}

/** What a duty officer must see: black, red, and places one short of red; most incidents first. */
export function needingAttention(places: Place[], lowest: Map<number | null, number>): Place[] {
  return places
    .filter((place) => (place.level ?? 0) >= RED || oneShortOf(place, lowest) !== undefined)
    .sort((a, b) => b.count - a.count || a.name.localeCompare(b.name, "zh") || (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Places whose name or id holds what was typed; names that begin with it come first. */
export function search(places: Place[], typed: string, most: number): Place[] {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return [];
  const rank = (place: Place): number => {
    const at = place.name.toLowerCase().indexOf(wanted);
    return at >= 0 ? at : place.id.toLowerCase().startsWith(wanted) ? 100 : -1;
  };
  return places
    .map((place) => ({ place, rank: rank(place) }))
    .filter((hit) => hit.rank >= 0)
    .sort((a, b) => a.rank - b.rank || b.place.count - a.place.count || a.place.name.localeCompare(b.place.name, "zh"))
    .slice(0, most)
    .map((hit) => hit.place);
}
