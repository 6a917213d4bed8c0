// How old the picture is, and whether to trust it: one line under the title.

import * as api from "./api";
import { element, renew } from "./elements";
import type { Language } from "./language";
import type { Channel } from "./live";

const ASK_EVERY_MS = 5_000;
const STALE_AFTER_S = 20; // asked every five seconds, the server renews its picture each second: something is wrong

export class Freshness {
  private seenAt: number; // [ms] when the picture was last known to equal the database
  private database = true;
  private channel: Channel = "connecting";

  constructor(
    private readonly root: HTMLElement,
    private readonly language: Language,
    private readonly onMonth: (month: string) => void,
  ) {
    this.seenAt = Date.now();
    void this.ask();
    setInterval(() => void this.ask(), ASK_EVERY_MS);
    setInterval(() => this.draw(), 1_000);
  }

  hear(channel: Channel): void {
    this.channel = channel;
    void this.ask();
  }

  /** A new revision has been drawn: the picture is of now. */
  renewed(): void {
    this.seenAt = Date.now();
    this.draw();
  }

  draw(): void {
    const age_s = (Date.now() - this.seenAt) / 1000;
    const stale = age_s > STALE_AFTER_S || !this.database || this.channel === "lost";
    const state = stale ? "stale" : this.channel;
    document.body.dataset["freshness"] = state;
    const say = this.language.say.bind(this.language);
    const age = this.language.age(age_s);
    const text = stale
      ? say(this.database ? "page.server_down" : "page.database_down", { age })
      : say("page.updated_ago", { age });
    const word = stale ? "status.stale" : this.channel === "pushed" ? "status.live" : "status.connecting";
    const help = this.channel === "polled" ? say("page.polling_help") : say("page.live_help");
    renew(
      this.root,
      element("span", { class: `dot ${state}`, "aria-hidden": "true" }),
      element("strong", { title: help }, this.channel === "polled" && !stale ? say("page.polled") : say(word)),
      element("span", { class: "age" }, text),
    );
  }

  private async ask(): Promise<void> {
    try {
      const ready = await api.readiness();
      this.database = ready.status === "ready";
      this.seenAt = Date.now() - (ready.picture_age_s ?? 0) * 1000;
      if (ready.month) this.onMonth(ready.month);
    } catch {
      // the age keeps growing, and says it
    }
    this.draw();
  }
}
