// How the map is drawn: one MapLibre style made from the server's configuration and the reader's theme.

import type { ExpressionSpecification, LayerSpecification, SourceSpecification, StyleSpecification } from "maplibre-gl";
import { looks, objectTiles, type Config, type LayerInfo, type Level } from "./api";
import { fontFiles, MAP_FONT } from "./fonts";
import { beaconName, hasPattern, patternName } from "./patterns";
import { PROTOCOL } from "./plane";
import { RED } from "./places";

export type Theme = "light" | "dark";

interface Tint {
  ground: string;
  edge: string;
  loudEdge: string; // of red and black places
  patrolEdge: string;
  chosen: string;
  label: string;
  halo: string;
  calm: number; // opacity of places without incidents [0-1]
}

const TINTS: Record<Theme, Tint> = {
  light: {
    ...{ ground: "#f4f5f1", edge: "#ffffff", loudEdge: "#ffffff", patrolEdge: "#5d7089", chosen: "#0b57d0" },
    ...{ label: "#23302c", halo: "#ffffff", calm: 1 },
  },
  dark: {
    ...{ ground: "#0f1416", edge: "#0f1416", loudEdge: "#c9d3d0", patrolEdge: "#8fa3bd", chosen: "#8ab4ff" },
    ...{ label: "#e8eeeb", halo: "#0f1416", calm: 0.16 },
  },
};

export const POINTS = "points"; // the source of labels and beacons: one point a place, kept by the page
export const PATROL = "patrol_zone_warnings";
export const BEACONS = "beacons";
const BEACON_END = 13; // [zoom] from here on the places themselves are large enough to be seen
const NAMES_FROM = 13.5; // [zoom]
const VEIL = 0.3; // opacity of patrol zones below other places [0-1]
const FONT = [MAP_FONT];
const HOVERED: ExpressionSpecification = ["boolean", ["feature-state", "hovered"], false];

/** Below the others stands what covers everything, above what lies inside: patrol zones, communities, units. */
export function drawingOrder(layers: { id: string }[]): string[] {
  const rank = (id: string): number => (id === PATROL ? 0 : id === "unit_warnings" ? 2 : 1);
  return layers.map((layer) => layer.id).sort((a, b) => rank(a) - rank(b));
}

/** What the city counts first comes first: communities, units, patrol zones. */
export function listingOrder<T extends { id: string }>(layers: T[]): T[] {
  const rank = (id: string): number => ["warnings", "unit_warnings", PATROL].indexOf(id) + 1 || 9;
  return [...layers].sort((a, b) => rank(a.id) - rank(b.id));
}

export function fillOf(layer: string): string {
  return `${layer}-fill`;
}

export function dotsOf(layer: string): string {
  return `${layer}-dots`;
}

export function buildStyle(
  config: Config,
  theme: Theme,
  shown: ReadonlySet<string>,
): StyleSpecification {
  const sources: Record<string, SourceSpecification> = Object.fromEntries([
    ...config.layers.map((layer) => [layer.id, tiles(layer, `${PROTOCOL}://${layer.id}/{z}/{x}/{y}`)] as const),
    ...config.objects.map((layer) => [layer.id, tiles(layer, objectTiles(layer.id))] as const),
  ]);
  sources[POINTS] = { type: "geojson", data: { type: "FeatureCollection", features: [] } };
  return {
    version: 8,
    "font-faces": { [MAP_FONT]: fontFiles() },
    sources,
    layers: layersOf(config, theme, shown).map((layer) => withVisibility(layer, shown)),
  } as StyleSpecification;
}

/** Patrol zones are a veil as long as other places are shown over them, and full colour alone. */
export function layersOf(config: Config, theme: Theme, shown: ReadonlySet<string>): LayerSpecification[] {
  const tint = TINTS[theme];
  const [order, levels] = [drawingOrder(config.layers), looks(config)];
  const veil = order.some((id) => id !== PATROL && shown.has(id));
  return [
    { id: "ground", type: "background", paint: { "background-color": tint.ground } },
    ...order.flatMap((id) => placeLayers(id, levels, tint, id === PATROL && veil)),
    ...order.filter((id) => id === PATROL).flatMap(() => patrolBorder(levels, tint)),
    ...order.map((id) => chosenLayer(id, tint)),
    ...config.objects.flatMap(({ id }) => objectLayers(id, tint)),
    ...pointLayers(levels, tint),
  ];
}

// Of objects by kind; none of them is the colour of a level.
const OBJECT_COLOURS = {
  ...{ guard_post: "#0b6e4f", checkpoint: "#1f78b4", gate: "#7a5195", perimeter_alarm: "#00a6a6", venue: "#b15c9b" },
};

/** A dot for each object, and close by its name. */
function objectLayers(id: string, tint: Tint): LayerSpecification[] {
  const source = { source: id, "source-layer": id };
  const colour = ["match", ["get", "kind"], ...Object.entries(OBJECT_COLOURS).flat(), tint.label];
  return [
    {
      ...{ id: dotsOf(id), type: "circle", ...source, minzoom: 11 },
      paint: {
        "circle-color": colour as unknown as ExpressionSpecification,
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 11, 1.5, 15, 5, 18, 8],
        ...{ "circle-stroke-color": tint.halo, "circle-stroke-width": 1 },
      },
    },
    {
      ...{ id: `${id}-names`, type: "symbol", ...source, minzoom: 15.5 },
      layout: {
        ...{ "text-field": ["coalesce", ["get", "name"], ["get", "id"]], "text-font": FONT, "text-size": 11 },
        ...{ "text-anchor": "top", "text-offset": [0, 0.7] },
      },
      paint: { "text-color": tint.label, "text-halo-color": tint.halo, "text-halo-width": 1.5 },
    },
  ];
}

function tiles({ minzoom, maxzoom }: LayerInfo, address: string): SourceSpecification {
  return { type: "vector", tiles: [address], minzoom, maxzoom };
}

const UNKNOWN = -1; // stands for the level that tiles leave out where the month is not on record
const LEVEL: ExpressionSpecification = ["coalesce", ["get", "level"], UNKNOWN];

function byLevel<T extends string | number>(levels: Level[], value: (level: Level) => T): ExpressionSpecification {
  const known = levels.filter((level) => level.code !== null);
  const unknown = levels.find((level) => level.code === null) ?? levels[0];
  return [
    ...["match", LEVEL],
    ...known.flatMap((level) => [level.code, value(level)]),
    value(unknown as Level),
  ] as unknown as ExpressionSpecification;
}

function withVisibility(layer: LayerSpecification, shown: ReadonlySet<string>): LayerSpecification {
  return {
    ...layer,
    layout: { ...layer.layout, visibility: isShown(layer, shown) ? "visible" : "none" },
  } as LayerSpecification;
}

export function isShown(layer: LayerSpecification, shown: ReadonlySet<string>): boolean {
  return !("source" in layer) || layer.source === POINTS || shown.has(layer.source as string);
}

/** Fill, strokes for red and black, and edge of one layer of places. */
function placeLayers(id: string, levels: Level[], tint: Tint, veil: boolean): LayerSpecification[] {
  const source = { source: id, "source-layer": id };
  const [full, calm] = veil ? [VEIL, 0] : [1, tint.calm];
  const layers: LayerSpecification[] = [
    {
      ...{ id: fillOf(id), type: "fill", ...source },
      paint: {
        "fill-color": byLevel(levels, (level) => level.colour),
        "fill-opacity": byLevel(levels, (level) => (level.code ? full : calm)),
      },
    },
  ];
  for (const level of levels.filter(hasPattern)) {
    layers.push({
      ...{ id: `${id}-${patternName(level)}`, type: "fill", ...source },
      filter: ["==", LEVEL, level.code ?? UNKNOWN],
      paint: { "fill-pattern": patternName(level), "fill-opacity": full },
    });
  }
  if (id !== PATROL) layers.push(edge(id, tint));
  return layers;
}

function edge(id: string, tint: Tint): LayerSpecification {
  const unit = id === "unit_warnings";
  const width = (wide: number, plain: number): ExpressionSpecification => ["case", HOVERED, wide, plain];
  return {
    ...{ id: `${id}-edge`, type: "line", source: id, "source-layer": id, layout: { "line-join": "round" } },
    paint: {
      "line-color": ["case", HOVERED, tint.chosen, [">=", LEVEL, RED], tint.loudEdge, unit ? tint.label : tint.edge],
      "line-width": [
        "interpolate",
        ["linear"],
        ["zoom"],
        9,
        width(2, unit ? 0.3 : 0.2),
        15,
        width(3, unit ? 1.4 : 1.6),
      ],
      "line-opacity": ["case", HOVERED, 1, unit ? 0.75 : 0.9],
    },
  };
}

/** Patrol zones hold the other places: their fill lies below, so a band along the inner border says their colour above. */
function patrolBorder(levels: Level[], tint: Tint): LayerSpecification[] {
  const source = { source: PATROL, "source-layer": PATROL, layout: { "line-join": "round" } } as const;
  const band = ["interpolate", ["linear"], ["zoom"], 9, 2, 14, 5] as ExpressionSpecification;
  const inside = ["interpolate", ["linear"], ["zoom"], 9, 1, 14, 2.5] as ExpressionSpecification;
  return [
    {
      ...{ id: `${PATROL}-band`, type: "line", ...source, filter: [">", LEVEL, 0] },
      paint: { "line-color": byLevel(levels, (level) => level.colour), "line-width": band, "line-offset": inside },
    },
    {
      ...{ id: `${PATROL}-edge`, type: "line", ...source },
      paint: {
        "line-color": ["case", HOVERED, tint.chosen, tint.patrolEdge],
        "line-width": ["case", HOVERED, 3, 1.2],
      },
    },
  ];
}

function chosenLayer(id: string, tint: Tint): LayerSpecification {
  const chosen: ExpressionSpecification = ["boolean", ["feature-state", "chosen"], false];
  return {
    ...{ id: `${id}-chosen`, type: "line", source: id, "source-layer": id },
    layout: { "line-join": "round" },
    paint: { "line-color": tint.chosen, "line-width": ["case", chosen, 4, 0] },
  };
}

/** Beacons make red and black places seen over the whole city, worst on top; close by, names take their place. */
function pointLayers(levels: Level[], tint: Tint): LayerSpecification[] {
  const fade: ExpressionSpecification = ["interpolate", ["linear"], ["zoom"], BEACON_END - 0.7, 1, BEACON_END, 0];
  return [
    {
      ...{ id: BEACONS, type: "symbol", source: POINTS, maxzoom: BEACON_END, filter: [">=", LEVEL, RED] },
      layout: {
        "icon-image": byLevel(levels, beaconName),
        "icon-size": ["interpolate", ["linear"], ["get", "count"], 4, 0.68, 12, 1],
        ...{ "icon-allow-overlap": true, "icon-ignore-placement": true },
        "text-field": ["to-string", ["get", "count"]],
        ...{ "text-font": FONT, "text-size": 11, "text-allow-overlap": true, "text-ignore-placement": true },
        "symbol-sort-key": ["get", "count"],
      },
      paint: { "text-color": "#ffffff", "text-opacity": fade, "icon-opacity": fade },
    },
    names(tint),
  ];
}

function names(tint: Tint): LayerSpecification {
  return {
    ...{ id: "names", type: "symbol", source: POINTS, minzoom: NAMES_FROM },
    layout: {
      "text-field": ["get", "name"],
      "text-font": FONT,
      "text-size": ["interpolate", ["linear"], ["zoom"], 13, 12, 17, 16],
      "text-max-width": 8,
      "symbol-sort-key": ["-", ["get", "count"]],
      "text-padding": 4,
    },
    paint: { "text-color": tint.label, "text-halo-color": tint.halo, "text-halo-width": 2.2, "text-halo-blur": 0.4 },
  };
}
