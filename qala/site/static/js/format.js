/* Numbers and times as the server writes them: its words, separators and patterns come in <script id="words">. */

const NBSP = "\u00a0";
const MINUS = "\u2212";

export const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");

/** A sentence with its {names} filled in. */
export function say(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** A counted sentence: words[key] holds its plural forms, words.plural the names of Intl's rules in their order. */
export function count(key, n) {
  const forms = words[key] ?? [key];
  const rule = new Intl.PluralRules(words.language ?? "en").select(n);
  const at = Math.min(Math.max((words.plural ?? ["one"]).indexOf(rule), 0), forms.length - 1);
  return forms[at].replace("{n}", number(n));
}

const grouped = (digits) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, words.thousand ?? ",");

/** `register × 10^exponent`, exact to its last digit; register is a whole number as number, string or BigInt. */
export function exact(register, exponent = 0) {
  const value = BigInt(register);
  let digits = (value < 0n ? -value : value).toString();
  let fraction = "";
  if (exponent < 0) {
    digits = digits.padStart(1 - exponent, "0");
    fraction = digits.slice(exponent);
    digits = digits.slice(0, exponent);
  } else if (value !== 0n) digits += "0".repeat(exponent);
  return (value < 0n ? MINUS : "") + grouped(digits) + (fraction && (words.decimal ?? ".") + fraction);
}

/** A number for reading, at most `decimals` decimals. */
export function number(value, decimals = 3) {
  const [whole, fraction] = Math.abs(value).toFixed(decimals).split(".");
  const kept = fraction?.replace(/0+$/, "");
  const text = grouped(whole) + (kept ? (words.decimal ?? ".") + kept : "");
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

export const unit = (code) => words.units?.[code] ?? code ?? "";
export const withUnit = (text, code) => (code ? text + NBSP + unit(code) : text);

/**
 * The clock of one zone. `offsets` ([[from epoch s, offset s], …], ascending) come from the server's own zone data and
 * are preferred: a browser's may be older than the zone's last change.
 */
export class Zone {
  constructor(name = "UTC", offsets = []) {
    this.offsets = offsets;
    this.format = new Intl.DateTimeFormat("en-GB", {
      timeZone: name, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
      hour: "numeric", minute: "numeric", second: "numeric",
    });
  }

  /** Seconds that the zone is ahead of UTC at epoch second t. */
  offset(t) {
    if (this.offsets.length && t >= this.offsets[0][0]) {
      let found = this.offsets[0][1];
      for (const [from, seconds] of this.offsets) if (from <= t) found = seconds;
      return found;
    }
    const part = Object.fromEntries(this.format.formatToParts(new Date(t * 1000)).map((p) => [p.type, Number(p.value)]));
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) / 1000 - Math.floor(t);
  }

  /** Calendar fields at t: {year, month (0–11), day, hour, minute}. */
  fields(t) {
    const at = new Date((t + this.offset(t)) * 1000);
    return {
      year: at.getUTCFullYear(), month: at.getUTCMonth(), day: at.getUTCDate(),
      hour: at.getUTCHours(), minute: at.getUTCMinutes(),
    };
  }

  /** The epoch second of a local wall clock; of a skipped one, the instant after the skip. */
  at(year, month, day, hour = 0) {
    const wall = Date.UTC(year, month, day, hour) / 1000;
    const before = wall - this.offset(wall - 86400);
    const after = wall - this.offset(wall + 86400);
    for (const t of [Math.min(before, after), Math.max(before, after)]) if (t + this.offset(t) === wall) return t;
    return Math.max(before, after);
  }

  clock(t) {
    const { hour, minute } = this.fields(t);
    return `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
  }

  dayMonth(t) {
    const { month, day } = this.fields(t);
    return `${day} ${words.months?.[month] ?? month + 1}`;
  }

  month(t) {
    const { month } = this.fields(t);
    return String(words.months?.[month] ?? month + 1);
  }

  day(t) {
    const { year, month, day } = this.fields(t);
    return (words.day ?? "{day} {month} {year}")
      .replace("{day}", day).replace("{month}", words.months?.[month] ?? month + 1).replace("{year}", year);
  }

  moment(t) {
    return `${this.day(t)}, ${this.clock(t)}`;
  }

  /** A half-open span in words. */
  span(start, end) {
    const a = this.fields(start);
    if (this.at(a.year, a.month, a.day) === start && this.at(a.year, a.month, a.day + 1) === end) return this.day(start);
    const b = this.fields(end - 1);
    if (this.at(a.year, a.month, a.day) === start && this.at(b.year, b.month, b.day + 1) === end) {
      if (a.year !== b.year) return `${this.day(start)} – ${this.day(end - 1)}`;
      const values = { first: a.day, last: b.day, year: a.year, month: this.month(start), first_month: this.month(start), last_month: this.month(end - 1) };
      return say(a.month === b.month ? "days_of_month" : "days_of_year", values);
    }
    if (this.day(start) === this.day(end) || this.at(a.year, a.month, a.day + 1) === end) {
      return `${this.moment(start)}–${this.clock(end)}`;
    }
    return `${this.moment(start)} – ${this.moment(end)}`;
  }
}

/** An element: el("p", {class: "x"}, child, …); text children are text, never markup. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An icon of the sprite. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${words.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** The present value of a colour token, as canvas and WebGL take it. */
export function colour(token) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${token})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Words for those who can't see what changed. */
export function announce(text) {
  const place = document.getElementById("announce");
  if (place) place.textContent = text;
}
