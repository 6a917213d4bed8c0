// The map itself: what is drawn where, what the pointer is over, what has been chosen.  It knows no words and no panels.

import {
  Map as GlMap,
  ScaleControl,
  setWorkerUrl,
  type GeoJSONSource,
  type MapGeoJSONFeature,
  type VectorTileSource,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { looks, tileAddress, type Box, type Config, type PlaceProperties } from "./api";
import { beaconImage, beaconName, hasPattern, patternImage, patternName } from "./patterns";
import type { Place } from "./places";
import { BEACONS, buildStyle, dotsOf, drawingOrder, fillOf, isShown, layersOf, POINTS, type Theme } from "./style";

setWorkerUrl(workerUrl);

export interface PlaceName {
  layer: string;
  fid: number;
  id: string;
}

export interface Hovered {
  properties: PlaceProperties;
  x: number; // [css px] from the left edge of the map
  y: number;
}

type State = "hovered" | "chosen";

export class PlaceMap {
  readonly gl: GlMap;
  onChoose: (place: PlaceName | null) => void = () => undefined;
  onHover: (hovered: Hovered | null) => void = () => undefined;
  private readonly marked: Partial<Record<State, PlaceName>> = {};
  private readonly layers: string[];

  constructor(
    container: HTMLElement,
    private readonly config: Config,
    month: string,
    theme: Theme,
    shown: ReadonlySet<string>,
  ) {
    this.layers = drawingOrder(config.layers);
    this.gl = new GlMap({
      container,
      style: buildStyle(config, month, theme, shown),
      bounds: config.bounds,
      fitBoundsOptions: { padding: roomForPanels(false) },
      hash: "map",
      maxZoom: 18.5,
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

  /** Ask for the tiles again; those on screen stay until their successors are there, so nothing flashes. */
  refresh(): void {
    const objects = this.config.objects.map(({ id }) => id).filter((id) => this.isVisible(dotsOf(id)));
    for (const layer of [...this.shown(), ...objects]) this.gl.refreshTiles(layer);
  }

  /** Places are shown in a month; objects as they stand today. */
  showMonth(month: string): void {
    for (const layer of this.layers) {
      this.gl.getSource<VectorTileSource>(layer)?.setTiles([tileAddress(layer, month)]);
    }
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
    this.gl.once("idle", then);
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
    this.gl.on("click", (event) => this.onChoose(this.placeAt(event.point.x, event.point.y)?.name ?? null));
    this.gl.on("mousemove", (event) => {
      const found = this.placeAt(event.point.x, event.point.y);
      this.gl.getCanvas().style.cursor = found ? "pointer" : "";
      this.mark("hovered", found?.name ?? null);
      this.onHover(found ? { properties: found.properties, x: event.point.x, y: event.point.y } : null);
    });
    this.gl.on("mouseout", () => {
      this.mark("hovered", null);
      this.onHover(null);
    });
  }

  /** The uppermost place under a point of the screen; a beacon stands for its place. */
  private placeAt(x: number, y: number): { name: PlaceName; properties: PlaceProperties } | null {
    const layers = [BEACONS, ...this.shown().map(fillOf)].filter((id) => this.gl.getLayer(id));
    const found: MapGeoJSONFeature | undefined = this.gl.queryRenderedFeatures([x, y], { layers })[0];
    if (!found) return null;
    const properties = found.properties as PlaceProperties & { layer?: string; fid?: number };
    const layer = properties.layer ?? found.source;
    return { name: { layer, fid: properties.fid ?? Number(found.id), id: String(properties.id) }, properties };
  }
}

function target(place: PlaceName): { source: string; sourceLayer: string; id: number } {
  return { source: place.layer, sourceLayer: place.layer, id: place.fid };
}

/** Panels lie over the map: what is flown to must come to rest beside them.  [css px] */
function roomForPanels(withPlace: boolean): { top: number; bottom: number; left: number; right: number } {
  const edge = 40;
  if (innerWidth < 720)
    return { top: edge, bottom: withPlace ? Math.round(innerHeight * 0.6) : 150, left: edge, right: edge };
  return { top: edge, bottom: edge, left: 380, right: withPlace && innerWidth >= 1100 ? 410 : edge + 30 };
}
