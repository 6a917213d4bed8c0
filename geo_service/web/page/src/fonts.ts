// The page's own font.  Noto Sans SC lies in the bundle as 101 files by Unicode range; a file is fetched when a character
// of its range is first drawn.  Text of the document takes them by the style sheet, labels of the map by the style's
// `font-faces`.  No `glyphs` address and no system font is needed; together they hold 13,600 characters, among them rare
// ones of village names (堌, 垞, 埝) that the one-file subset "chinese-simplified" lacks.

import "@fontsource-variable/noto-sans-sc/wght.css";
import ranges from "@fontsource-variable/noto-sans-sc/unicode.json";

export const MAP_FONT = "Noto Sans SC";

const FILES = import.meta.glob<string>("/node_modules/@fontsource-variable/noto-sans-sc/files/*-wght-normal.woff2", {
  query: "?url",
  import: "default",
  eager: true,
});

export interface FontFile {
  url: string;
  "unicode-range": string[];
}

export function fontFiles(): FontFile[] {
  return Object.entries(ranges as Record<string, string>).map(([name, range]) => ({
    url: new URL(fileOf(name), location.href).href,
    "unicode-range": range.split(","),
  }));
}

/** Subsets are called "[4]" or "latin", their files noto-sans-sc-4-wght-normal.woff2 or noto-sans-sc-latin-…. */
function fileOf(subset: string): string {
  const bare = subset.replace(/[[\]]/g, "");
  const address = FILES[`/node_modules/@fontsource-variable/noto-sans-sc/files/noto-sans-sc-${bare}-wght-normal.woff2`];
  if (!address) throw new Error(`the font has no file for its range ${subset}`);
  return address;
}
