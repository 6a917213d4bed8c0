// Hearing of new revisions: pushed by the server over /live, asked for every five seconds while the push is broken.

import * as api from "./api";

const ASK_EVERY_MS = 5_000;
const RECONNECT_AFTER_MS = 15_000; // after an answer the browser's own reconnection gives up on, such as 503

export type Channel = "connecting" | "pushed" | "polled" | "lost";

export interface Heard {
  seq: number;
  month: string;
}

export class Live {
  private stream: EventSource | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private newest = 0;
  channel: Channel = "connecting";

  constructor(
    private readonly onRevision: (seq: number) => void,
    private readonly onMonth: (month: string) => void,
    private readonly onChannel: (channel: Channel) => void,
  ) {}

  start(seq: number): void {
    this.newest = seq;
    this.open();
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.ask(); // a sleeping phone may have missed events
    });
  }

  private open(): void {
    this.stream = new EventSource("/live");
    // The server tells the newest revision at once, so whatever happened while nobody listened is heard now.
    this.stream.addEventListener("revision", (event) => this.hear(JSON.parse(event.data as string) as Heard));
    this.stream.addEventListener("open", () => {
      this.stopPolling();
      this.say("pushed");
    });
    this.stream.addEventListener("error", () => {
      this.poll();
      if (this.stream?.readyState === EventSource.CLOSED) setTimeout(() => this.open(), RECONNECT_AFTER_MS);
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
      if (seq > this.newest) this.renew(seq);
      if (this.timer !== undefined) this.say("polled");
    } catch {
      if (this.timer !== undefined) this.say("lost"); // the next round asks again
    }
  }

  /** What is pushed comes in order, so a smaller number is news too: another database has taken the place of ours. */
  private hear({ seq, month }: Heard): void {
    if (seq !== this.newest) this.renew(seq);
    this.onMonth(month);
  }

  private renew(seq: number): void {
    this.newest = seq;
    this.onRevision(seq);
  }

  private say(channel: Channel): void {
    if (channel === this.channel) return;
    this.channel = channel;
    this.onChannel(channel);
  }
}
