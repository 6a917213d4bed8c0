// Hearing of what has changed: pushed by the server over /live, asked for every five seconds while the push is broken.
//
// What changed comes first (deltas, or a word that it cannot be told), then that there is a new picture.

import * as api from "./api";

const ASK_EVERY_MS = 5_000;
const RECONNECT_AFTER_MS = 15_000; // after an answer the browser's own reconnection gives up on, such as 503

export type Channel = "connecting" | "pushed" | "polled" | "lost";

interface Revision {
  seq: number;
  month: string;
}

export interface Listener {
  onDelta(delta: api.Delta): void;
  onGap(): void; // what has changed cannot be told: everything may have
  onRevision(seq: number): void; // all that changed up to here has been told
  onMonth(month: string): void;
  onChannel(channel: Channel): void;
}

export class Live {
  private stream: EventSource | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private newest = 0;
  private position = ""; // where in the stream we are: the id of the last event
  private shown = ""; // the position of the last revision that was told on
  channel: Channel = "connecting";

  constructor(private readonly listener: Listener) {}

  /** Listen from the picture on that a configuration was made of. */
  start({ revision, position }: api.Config): void {
    this.newest = revision;
    this.position = this.shown = position;
    this.open();
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.ask(); // a sleeping phone may have missed events
    });
  }

  private open(): void {
    this.stream = new EventSource(`/live?since=${encodeURIComponent(this.position)}`);
    this.on("delta", (told) => this.listener.onDelta(told as api.Delta));
    this.on("resync", () => this.listener.onGap());
    this.on("revision", (told) => this.hear(told as Revision));
    this.stream.addEventListener("open", () => {
      this.stopPolling();
      if (this.channel === "lost") this.listener.onGap(); // what was asked for meanwhile has got no answer
      this.say("pushed");
    });
    this.stream.addEventListener("error", () => {
      this.poll();
      if (this.stream?.readyState === EventSource.CLOSED) setTimeout(() => this.open(), RECONNECT_AFTER_MS);
    });
  }

  private on(kind: string, take: (told: unknown) => void): void {
    this.stream?.addEventListener(kind, (event: MessageEvent<string>) => {
      this.position = event.lastEventId;
      take(JSON.parse(event.data));
    });
  }

  private poll(): void {
    if (this.timer !== undefined) return;
    this.timer = setInterval(() => void this.ask(), ASK_EVERY_MS);
    void this.ask();
  }

  private stopPolling(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async ask(): Promise<void> {
    try {
      const seq = await api.revision();
      if (seq > this.newest) {
        this.newest = seq;
        this.listener.onGap();
        this.listener.onRevision(seq);
      }
      if (this.timer !== undefined) this.say("polled");
    } catch {
      if (this.timer !== undefined) this.say("lost"); // the next round asks again
    }
  }

  private hear({ seq, month }: Revision): void {
    this.listener.onMonth(month);
    if (this.position === this.shown) return; // who comes back is told the newest revision in any case
    this.newest = seq;
    this.shown = this.position;
    this.listener.onRevision(seq);
  }

  private say(channel: Channel): void {
    if (channel === this.channel) return;
    this.channel = channel;
    this.listener.onChannel(channel);
  }
}
