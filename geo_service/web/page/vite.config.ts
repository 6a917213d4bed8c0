// Build of the map page: everything it needs lies beside it, so no request leaves the machine that serves it.
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** The font's licence (OFL 1.1) asks to travel with the font files; those of the scripts go into the same folder. */
function fontLicence(): Plugin {
  return {
    name: "font-licence",
    generateBundle() {
      const source = readFileSync("node_modules/@fontsource-variable/noto-sans-sc/LICENSE", "utf8");
      this.emitFile({ type: "asset", fileName: "licences/noto-sans-sc.txt", source });
    },
  };
}

const SERVICE = "http://127.0.0.1:8080"; // `geo-service serve`, while the page is worked on with `npm run dev`
const ASKED = ["/map/config.json", "/tiles", "/g", "/states", "/collections", "/health", "/live"];

export default defineConfig({
  base: "/map/",
  server: { proxy: Object.fromEntries(ASKED.map((path) => [path, SERVICE])) },
  plugins: [fontLicence()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // files, not data: addresses, so that a content security policy can stay strict
    chunkSizeWarningLimit: 2000, // [kB] MapLibre is 1.3 MB before compression
    license: { fileName: "licences/scripts.md" },
  },
});
