// Shapes of places in degrees (WGS 84, longitude first): their box, and a point inside for the label.

import type { Box } from "./api";

type Ring = number[][];
type Part = Ring[]; // outer ring, then holes

export function box(parts: Part[]): Box {
  const found: Box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const part of parts) {
    for (const [lon, lat] of (part[0] ?? []) as [number, number][]) {
      found[0] = Math.min(found[0], lon);
      found[1] = Math.min(found[1], lat);
      found[2] = Math.max(found[2], lon);
      found[3] = Math.max(found[3], lat);
    }
  }
  return found;
}

export function together(boxes: Box[]): Box {
  return boxes.reduce(
    (a, b) => [...[Math.min(a[0], b[0]), Math.min(a[1], b[1])], ...[Math.max(a[2], b[2]), Math.max(a[3], b[3])]] as Box,
  );
}

/** The centre of mass of the largest part, or, where a bent place does not hold it, the widest stretch at its height. */
export function insidePoint(parts: Part[]): [number, number] {
  const largest = parts.reduce((a, b) =>
    Math.abs(centre(b[0] ?? []).area) > Math.abs(centre(a[0] ?? []).area) ? b : a,
  );
  const [lon, lat] = centre(largest[0] ?? []).at;
  const crossings = largest.flatMap((ring) => crossingsAt(ring, lat)).sort((a, b) => a - b);
  let widest: [number, number] = [lon, lon];
  for (let i = 0; i + 1 < crossings.length; i += 2) {
    const [from, to] = [crossings[i] as number, crossings[i + 1] as number];
    if (from <= lon && lon <= to) return [lon, lat];
    if (to - from > widest[1] - widest[0]) widest = [from, to];
  }
  return [(widest[0] + widest[1]) / 2, lat];
}

/** Centre of mass and signed area of a ring; coordinates are taken from its first point, for the sake of precision. */
function centre(ring: Ring): { at: [number, number]; area: number } {
  const [lon0, lat0] = (ring[0] ?? [0, 0]) as [number, number];
  let [area, lon, lat] = [0, 0, 0];
  for (let i = 0; i + 1 < ring.length; i++) {
    const [x1, y1] = [(ring[i]?.[0] ?? 0) - lon0, (ring[i]?.[1] ?? 0) - lat0];
    const [x2, y2] = [(ring[i + 1]?.[0] ?? 0) - lon0, (ring[i + 1]?.[1] ?? 0) - lat0];
    const cross = x1 * y2 - x2 * y1;
    area += cross / 2;
    lon += ((x1 + x2) * cross) / 6;
    lat += ((y1 + y2) * cross) / 6;
  }
  if (area === 0) return { at: [lon0, lat0], area };
  return { at: [lon0 + lon / area, lat0 + lat / area], area };
}

/** Longitudes at which a ring crosses a latitude. */
function crossingsAt(ring: Ring, lat: number): number[] {
  const found: number[] = [];
  for (let i = 0; i + 1 < ring.length; i++) {
    const [[x1, y1], [x2, y2]] = [ring[i], ring[i + 1]] as [[number, number], [number, number]];
    if (y1 > lat !== y2 > lat) found.push(x1 + ((lat - y1) / (y2 - y1)) * (x2 - x1));
  }
  return found;
}
