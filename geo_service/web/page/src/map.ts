// The map itself: what is drawn where, what the pointer is over, what has been chosen.  It knows no words and no panels.

import {
  addProtocol,
  Map as GlMap,
  ScaleControl,
  setWorkerUrl,
  type GeoJSONSource,
  type MapGeoJSONFeature,
  type Point,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { looks, type Box, type Config, type TileName } from "./api";
import { beaconImage, beaconName, hasPattern, patternImage, patternName } from "./patterns";
import type { Place } from "./places";
import { PROTOCOL, type Dirty, type Plane } from "./plane";
import { BEACONS, buildStyle, dotsOf, drawingOrder, fillOf, isShown, layersOf, POINTS, type Theme } from "./style";

setWorkerUrl(workerUrl);

export interface PlaceName {
  layer: string;
  fid: number;
  id: string;
}

/** What stands under the pointer: a place, or, zoomed far out, a group that stands for many. */
export type Found = { level: number | null } & ({ place: PlaceName & { name: string } } | { places: number });

export type Hovered = Found & {
  x: number; // [css px] from the left edge of the map
  y: number;
};

type State = "hovered" | "chosen";

export class PlaceMap {
  readonly gl: GlMap;
  onChoose: (place: PlaceName | null) => void = () => undefined;
  onHover: (hovered: Hovered | null) => void = () => undefined;
  private readonly marked: Partial<Record<State, PlaceName>> = {};
  private readonly layers: string[];
  private readonly waiting: Map<string, TileName[] | "all"> = new Map(); // what could not be drawn anew yet

  constructor(
    container: HTMLElement,
    private readonly config: Config,
    plane: Plane,
    theme: Theme,
    shown: ReadonlySet<string>,
  ) {
    this.layers = drawingOrder(config.layers);
    addProtocol(PROTOCOL, plane.load);
    this.gl = new GlMap({
      container,
      style: buildStyle(config, theme, shown),
      bounds: config.bounds,
      fitBoundsOptions: { padding: roomForPanels(false) },
      hash: "map",
      maxZoom: 18.5,
      zoomLevelsToOverscale: 20, // nearer than the finest tiles these are stretched: cut in the worker they keep old colours
      maxTileCacheSize: 0, // the plane keeps tiles, and keeps them up to date
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 120,
      // The server marks tiles with an ETag: asking again costs a "not modified", and never shows yesterday's colour.
      transformRequest: (url) => (url.includes("/tiles/") ? { url, cache: "no-cache" } : { url }),
    });
    this.gl.touchZoomRotate.disableRotation();
    this.gl.keyboard.disableRotation();
    this.gl.addControl(new ScaleControl({ maxWidth: 110 }), "bottom-right");
    this.gl.once("style.load", () => this.addImages());
    this.listen();
  }

  /** Draw tiles anew, all of them or those named; the old ones stay until their successors are there: nothing flashes. */
  redraw(dirty?: Dirty): void {
    for (const layer of dirty?.keys() ?? this.layers) {
      const [before, more] = [this.waiting.get(layer) ?? [], dirty?.get(layer) ?? "all"];
      this.waiting.set(layer, before === "all" || more === "all" ? "all" : [...before, ...more]);
    }
    this.redrawWaiting();
  }

  /** Objects are no warnings: they are fetched as the server draws them, as they stand today. */
  refreshObjects(): void {
    for (const { id } of this.config.objects) if (this.isVisible(dotsOf(id))) this.gl.refreshTiles(id);
  }

  /** A tile is asked for again only when its last answer has been drawn: answers may overtake each other. */
  private redrawWaiting(): void {
    for (const [layer, tiles] of this.waiting) {
      if (!this.gl.isSourceLoaded(layer)) continue;
      this.waiting.delete(layer);
      this.gl.refreshTiles(layer, ...(tiles === "all" ? [] : [tiles]));
    }
    if (this.waiting.size) requestAnimationFrame(() => this.redrawWaiting());
  }

  showPoints(places: Place[]): void {
    const features = places.map(({ layer, fid, id, name, count, level, point }) => ({
      type: "Feature" as const,
      geometry: { type: "Point" as const, coordinates: point },
      properties: { layer, fid, id, name, count, level },
    }));
    this.gl.getSource<GeoJSONSource>(POINTS)?.setData({ type: "FeatureCollection", features });
  }

  /** Switch layers on and off, and draw them for day or night. */
  paint(theme: Theme, shown: ReadonlySet<string>): void {
    for (const layer of layersOf(this.config, theme, shown)) {
      this.gl.setLayoutProperty(layer.id, "visibility", isShown(layer, shown) ? "visible" : "none");
      for (const [name, value] of Object.entries(layer.paint ?? {})) {
        this.gl.setPaintProperty(layer.id, name as never, value as never);
      }
    }
  }

  mark(state: State, place: PlaceName | null): void {
    const before = this.marked[state];
    if (before?.layer === place?.layer && before?.fid === place?.fid) return;
    if (before) this.gl.removeFeatureState(target(before), state);
    if (place) this.gl.setFeatureState(target(place), { [state]: true });
    if (place) this.marked[state] = place;
    else delete this.marked[state];
  }

  flyTo(box: Box): void {
    this.gl.fitBounds(box, { padding: roomForPanels(true), maxZoom: 15.5, duration: 900 });
  }

  /** The view of the beginning. */
  showWhole(bounds: Box): void {
    this.gl.fitBounds(bounds, { padding: roomForPanels(false), duration: 900 });
  }

  /** Runs once everything asked for so far is on the screen. */
  whenDrawn(then: () => void): void {
    this.gl.once("idle", () => (this.waiting.size ? this.whenDrawn(then) : then()));
    this.gl.triggerRepaint();
  }

  private addImages(): void {
    for (const level of looks(this.config)) {
      if (hasPattern(level)) this.gl.addImage(patternName(level), ...patternImage(level));
      this.gl.addImage(beaconName(level), ...beaconImage(level));
    }
  }

  private shown(): string[] {
    return this.layers.filter((layer) => this.isVisible(fillOf(layer)));
  }

  private isVisible(drawn: string): boolean {
    return this.gl.getLayoutProperty(drawn, "visibility") !== "none";
  }

  private listen(): void {
    this.gl.on("click", ({ point, lngLat }) => {
      const found = this.under(point);
      if (found && "places" in found) this.gl.easeTo({ center: lngLat, zoom: this.gl.getZoom() + 2 });
      else this.onChoose(found?.place ?? null);
    });
    this.gl.on("mousemove", ({ point }) => {
      const found = this.under(point);
      this.gl.getCanvas().style.cursor = found ? "pointer" : "";
      this.mark("hovered", found && "place" in found ? found.place : null);
      this.onHover(found && { ...found, x: point.x, y: point.y });
    });
    this.gl.on("mouseout", () => {
      this.mark("hovered", null);
      this.onHover(null);
    });
  }

  /** The uppermost place under a point of the screen; a beacon stands for its place. */
  private under(point: Point): Found | null {
    const layers = [BEACONS, ...this.shown().map(fillOf)].filter((id) => this.gl.getLayer(id));
    const found: MapGeoJSONFeature | undefined = this.gl.queryRenderedFeatures(point, { layers })[0];
    if (!found) return null;
    const { layer, fid, id, name, places, level = null } = found.properties as Drawn;
    if (places !== undefined) return { level, places };
    return { level, place: { layer: layer ?? found.source, fid: fid ?? Number(found.id), id: String(id), name: name ?? "" } };
  }
}

/** What a drawn feature says: of tiles (a place or a group of `places`), or of a beacon, which knows its layer. */
interface Drawn {
  id?: string;
  name?: string;
  level?: number | null;
  places?: number;
  layer?: string;
  fid?: number;
}

function target(place: PlaceName): { source: string; sourceLayer: string; id: number } {
  return { source: place.layer, sourceLayer: place.layer, id: place.fid };
}

/** Panels lie over the map: what is flown to must come to rest beside them.  [css px] */
function roomForPanels(withPlace: boolean): { top: number; bottom: number; left: number; right: number } {
  const edge = 40;
  if (innerWidth < 720)
    return { top: edge, bottom: withPlace ? Math.round(innerHeight * 0.6) : 200, left: edge, right: edge };
  return { top: edge, bottom: edge + 50, left: 380, right: withPlace && innerWidth >= 1100 ? 410 : edge + 30 };
}
