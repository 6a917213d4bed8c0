// Small pictures the map and the legend share: strokes laid over a colour, so that red and black can be told without
// seeing colour, and the beacon that marks such a place from afar.

import type { Level } from "./api";

const TILE = 12; // [css px] a pattern repeats after this; strokes at 45 degrees meet at the edges of the tile
const DENSITY = 2; // [device px per css px] drawn finer than most screens need
const STROKE = "rgba(255, 255, 255, 0.5)";
const BEACON = 26; // [css px] across, ring included

export type Picture = [ImageData, { pixelRatio: number }];

const STROKES: Record<string, (pen: CanvasRenderingContext2D) => void> = {
  dots: (pen) => {
    pen.strokeStyle = "rgba(90, 105, 100, 0.5)"; // on white
    pen.arc(TILE / 2, TILE / 2, 0.8, 0, 2 * Math.PI);
  },
  diagonal: (pen) => rising(pen),
  cross: (pen) => {
    rising(pen);
    pen.translate(TILE, 0);
    pen.scale(-1, 1);
    rising(pen);
  },
};

/** Lines from lower left to upper right, continued into the corners of the neighbouring tiles. */
function rising(pen: CanvasRenderingContext2D): void {
  for (const shift of [-TILE, 0, TILE]) {
    pen.moveTo(shift - 2, TILE + 2);
    pen.lineTo(shift + TILE + 2, -2);
  }
}

export function hasPattern(level: Level): boolean {
  return !!level.pattern && level.pattern in STROKES;
}

export function patternName(level: Level): string {
  return `pattern-${level.pattern}`;
}

/** The strokes of a level on a transparent tile. */
export function patternImage(level: Level): Picture {
  const pen = newPen(TILE);
  drawStrokes(pen, level);
  return picture(pen);
}

export function beaconName(level: Level): string {
  return `beacon-${level.name}`;
}

/** A disc of the level's colour in a white ring. */
export function beaconImage(level: Level): Picture {
  const pen = newPen(BEACON);
  pen.beginPath();
  pen.arc(BEACON / 2, BEACON / 2, BEACON / 2 - 1.5, 0, 2 * Math.PI);
  pen.fillStyle = level.colour;
  pen.fill();
  pen.strokeStyle = "#ffffff";
  pen.lineWidth = 2;
  pen.stroke();
  return picture(pen);
}

/** The same tile as the background of an element of the document. */
export function patternBackground(level: Level): string {
  const pen = newPen(TILE);
  drawStrokes(pen, level);
  return `url(${pen.canvas.toDataURL()}) 0 0 / ${TILE}px ${TILE}px`;
}

function picture(pen: CanvasRenderingContext2D): Picture {
  const { width, height } = pen.canvas;
  return [pen.getImageData(0, 0, width, height), { pixelRatio: DENSITY }];
}

function newPen(size: number): CanvasRenderingContext2D {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * DENSITY;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser gives no 2D canvas");
  pen.scale(DENSITY, DENSITY);
  return pen;
}

function drawStrokes(pen: CanvasRenderingContext2D, level: Level): void {
  pen.strokeStyle = STROKE;
  pen.lineWidth = 1.4;
  pen.beginPath();
  STROKES[level.pattern ?? ""]?.(pen);
  pen.stroke();
}
