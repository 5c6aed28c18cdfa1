/*
 * Parts of a page that follow a server-sent event stream.
 *
 *   <div data-live="/sse/load/ID">
 *     <span data-field="read">…</span>      text: the event's "read" (numbers are grouped as on the page)
 *     <progress data-field="done" max="1">  value; "done_max" of the event sets its maximum; an element with
                                          data-field="done_share" beside it tells how much that is in percent
 *     <b data-show="refused" hidden>        shown while the event's "refused" is neither 0, false, null nor empty
 *     <span class="live-state"></span>      says whether the stream is up
 *   </div>
 *
 * Events are JSON objects. Fields that end in "_text" in the event win over formatted numbers: {"read": 5, "read_text": "…"}.
 * When the event holds "reload": true the page is loaded anew (a job ended, its page looks different). Streams pause
 * while the page is hidden, come back by themselves with growing pauses, and say so politely when they are away.
 */
import { announce, number, say } from "./format.js";

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

class Live {
  constructor(element) {
    this.element = element;
    this.pause = FIRST_PAUSE;
    this.failures = 0;
    this.open();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    window.addEventListener("online", () => this.open());
    window.addEventListener("offline", () => this.away());
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", () => this.open());
  }

  open() {
    if (this.stream || this.over || document.hidden) return;
    clearTimeout(this.timer);
    const stream = new EventSource(this.element.dataset.live);
    this.stream = stream;
    stream.onopen = () => {
      this.pause = FIRST_PAUSE;
      this.failures = 0;
      this.state("on");
    };
    stream.onmessage = (event) => this.take(JSON.parse(event.data));
    stream.addEventListener("end", () => {
      this.over = true;
      this.close();
    });
    stream.onerror = () => this.away();
  }

  close() {
    clearTimeout(this.timer);
    this.stream?.close();
    this.stream = null;
  }

  away() {
    this.close();
    if (this.over) return;
    this.failures += 1; // one broken connection may be a restart: the second one in a row is worth a word
    if (this.failures > 1 || !navigator.onLine) this.state("off");
    this.timer = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  state(now) {
    if (this.element.dataset.liveNow === now) return;
    const before = this.element.dataset.liveNow;
    this.element.dataset.liveNow = now;
    const text = say(now === "on" ? "live" : "offline");
    for (const place of this.element.querySelectorAll(".live-state")) place.textContent = text;
    if (now === "off" || before === "off") announce(say(now === "on" ? "live_again" : "offline"));
  }

  take(told) {
    if (told.reload) {
      location.reload();
      return;
    }
    for (const place of this.element.querySelectorAll("[data-field]")) {
      const name = place.dataset.field;
      if (!(name in told)) continue;
      const value = told[name];
      if (place.localName === "progress") {
        if (told[`${name}_max`]) place.max = told[`${name}_max`];
        if (value === null) place.removeAttribute("value");
        else place.value = value;
        const share = this.element.querySelector(`[data-field="${name}_share"]`);
        if (share && !(`${name}_share` in told)) share.textContent = value === null ? "" : `${Math.round((100 * value) / place.max)}\u00a0%`;
      } else {
        const text = told[`${name}_text`] ?? (typeof value === "number" ? number(value) : value ?? "–");
        if (place.textContent !== String(text)) place.textContent = text;
      }
    }
    for (const place of this.element.querySelectorAll("[data-show]")) {
      const value = told[place.dataset.show];
      if (value !== undefined) place.hidden = !value || (Array.isArray(value) && !value.length);
    }
    this.element.dispatchEvent(new CustomEvent("qala:live", { detail: told, bubbles: true }));
  }
}

for (const element of document.querySelectorAll("[data-live]")) new Live(element);
