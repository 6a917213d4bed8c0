// The split plane: geometry that never changes, fetched once, and the classes of a moment laid over it.
//
// MapLibre asks for split://{layer}/{z}/{x}/{y} and gets one vector tile made of both.  What a commit changes is written
// into the classes that are held, so that a delta becomes a pixel without a request.

import type { AddProtocolAction } from "maplibre-gl";
import * as api from "./api";
import { Kept } from "./kept";
import { GeometryTile, type Properties } from "./mvt";

export const PROTOCOL = "split";

const GEOMETRY_ROOM = 64 << 20; // [bytes]
const STATES_ROOM = 6_000; // tiles x months: 48 months of the hundred tiles around
const DELTAS_REMEMBERED = 64;
const ATTEMPTS = 3; // of geometry and classes that do not belong together, before the server's own colours are asked for

/** The tiles of each layer that are to be drawn anew; "all" where no list can be given. */
export type Dirty = Map<string, api.TileName[] | "all">;

interface State {
  layer: string;
  tile: api.TileName;
  moment: api.Moment;
  digest: string;
  classes: Uint8Array;
  isOld: boolean; // must be asked for again; good enough while the server does not answer
}

export class Plane {
  private readonly geometries = new Kept<GeometryTile>(GEOMETRY_ROOM, (tile) => tile.size + 500);
  private readonly states = new Kept<State>(STATES_ROOM);
  private readonly digests: Map<string, string>;
  private deltas: api.Delta[] = []; // the last ones: a state that was asked for before may lack them
  private heard = 0;
  private forgotten = 0;
  private renewing: Promise<api.Config> | undefined;

  constructor(
    layers: api.WarningLayer[],
    private moment: api.Moment,
  ) {
    this.digests = new Map(layers.map(({ id, geometry }) => [id, geometry]));
  }

  /** Answers MapLibre's requests. */
  readonly load: AddProtocolAction = async ({ url }, { signal }) => {
    const [layer = "", z, x, y] = url.slice(`${PROTOCOL}://`.length).split("/");
    const data = await this.tile(layer, { z: Number(z), x: Number(x), y: Number(y) }, signal);
    return { data };
  };

  show(moment: api.Moment): void {
    this.moment = moment;
  }

  /** Take in what a commit has changed, and tell which tiles now look different. */
  hear(delta: api.Delta): Dirty {
    this.deltas = [...this.deltas, delta].slice(-DELTAS_REMEMBERED);
    this.heard++;
    const dirty: Dirty = new Map();
    for (const [layer, digest] of Object.entries(delta.geometry)) {
      if (!this.digests.has(layer) || this.digests.get(layer) === digest) continue;
      this.digests.set(layer, digest);
      dirty.set(layer, "all");
    }
    for (const state of this.states.all()) {
      if (!this.amend(state, delta) || !isSame(state.moment, this.moment)) continue;
      const listed = dirty.get(state.layer) ?? [];
      if (listed !== "all") dirty.set(state.layer, [...listed, state.tile]);
    }
    return dirty;
  }

  /** What has changed is not known: every state must be asked for again (most answers are "not modified"). */
  forget(): void {
    this.forgotten++;
    for (const state of this.states.all()) state.isOld = true;
  }

  /** Bring a state up to a delta; whether its tile must be drawn anew. */
  private amend(state: State, delta: api.Delta): boolean {
    const { month, asOf } = state.moment;
    if (asOf) return false; // what was known then stays as it was
    const changes = month === delta.month ? (delta.layers[state.layer] ?? []) : [];
    const geometry = this.geometries.get(geometryKey(state.layer, state.tile, state.digest));
    if (changes.length && geometry) return patch(state.classes, geometry, changes);
    if (!changes.length && !delta.months.includes(month)) return false;
    return (state.isOld = true);
  }

  private async tile(layer: string, tile: api.TileName, signal: AbortSignal): Promise<ArrayBuffer> {
    for (let attempt = 0; attempt < ATTEMPTS; ) {
      const { moment, heard, forgotten } = this;
      const key = [layer, tile.z, tile.x, tile.y, moment.month, moment.asOf].join("/");
      const [geometry, state] = await Promise.all([
        this.geometry(layer, tile, signal),
        this.state(key, layer, tile, moment, signal),
      ]);
      if (geometry && !geometry.ids.length) return new ArrayBuffer(0);
      if (moment !== this.moment || forgotten !== this.forgotten) continue; // something else is to be shown by now
      const fits = geometry && state && state.digest === this.digests.get(layer);
      if (fits && state.classes.length === geometry.ids.length) {
        if (!this.makeGood(state, this.heard - heard)) continue;
        return geometry.told(state.classes, properties).buffer;
      }
      attempt++;
      if (state) state.isOld = true;
      await this.renewDigests();
    }
    return api.bakedTile(layer, tile, this.moment, signal);
  }

  /** Bring a state up to the deltas that came while it was asked for; false where it must be asked for again. */
  private makeGood(state: State, missed: number): boolean {
    // The last word on a class wins, so a delta that the answer holds already changes nothing.
    for (const delta of missed ? this.deltas.slice(-missed) : []) this.amend(state, delta);
    if (missed > DELTAS_REMEMBERED) state.isOld = true;
    return !missed || !state.isOld;
  }

  /** The places of a tile; null where the server no longer has that geometry. */
  private async geometry(layer: string, tile: api.TileName, signal: AbortSignal): Promise<GeometryTile | null> {
    const digest = this.digests.get(layer) ?? "";
    const key = geometryKey(layer, tile, digest);
    const held = this.geometries.get(key);
    if (held) return held;
    const bytes = await api.geometryTile(digest, layer, tile, signal);
    if (!bytes) return null;
    const read = new GeometryTile(bytes);
    this.geometries.put(key, read);
    return read;
  }

  private async state(
    key: string,
    layer: string,
    tile: api.TileName,
    moment: api.Moment,
    signal: AbortSignal,
  ): Promise<State | null> {
    const held = this.states.get(key);
    const fits = held?.digest === this.digests.get(layer);
    if (held && fits && !held.isOld) return held;
    const { forgotten } = this;
    try {
      const told = await api.stateTile(layer, tile, moment, signal);
      if (!told) return null;
      const state = { layer, tile, moment, ...told, isOld: forgotten !== this.forgotten };
      this.states.put(key, state);
      return state;
    } catch (error) {
      if (held && fits && !signal.aborted) return held; // the last picture, until the server is there again
      throw error;
    }
  }

  private async renewDigests(): Promise<void> {
    this.renewing ??= api.config().finally(() => (this.renewing = undefined));
    for (const { id, geometry } of (await this.renewing).layers) this.digests.set(id, geometry);
  }
}

function isSame(one: api.Moment, other: api.Moment): boolean {
  return one.month === other.month && one.asOf === other.asOf;
}

function geometryKey(layer: string, tile: api.TileName, digest: string): string {
  return [digest, layer, tile.z, tile.x, tile.y].join("/");
}

/** Write new classes where they belong; whether any differs. */
function patch(classes: Uint8Array, geometry: GeometryTile, changes: [fid: number, code: number][]): boolean {
  let differs = false;
  for (const [fid, code] of changes) {
    const row = geometry.rowOf(fid);
    if (row === undefined || classes[row] === code) continue;
    classes[row] = code;
    differs = true;
  }
  return differs;
}

/** What a class says of its place; a place without a level is one of which nothing is known. */
function properties(code: number): Properties {
  if (code <= api.BLACKEST) return { level: code };
  const withheld = api.WITHHELD[code];
  return withheld ? { withheld } : {};
}
