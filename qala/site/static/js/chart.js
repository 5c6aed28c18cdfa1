/*
 * Charts over time, drawn by uPlot, for every <figure class="chart" data-chart="…" data-src="…"> of a page.
 *
 *   data-chart="hourly"     bars of intervals, from zero; where bars would be thinner than 1.5 px: sums of local days
 *   data-chart="register"   the register over time, a straight line between readings; data-shape="step" for steps
 *   data-src="URL"          answers the JSON below; or data-json="ID" names a <script type="application/json"> of it.
 *                           Figures with the same source move together.
 *   data-label="…"          what the chart shows, for screen readers (else the figcaption)
 *
 * {
 *   "unit": "m3",                code of the unit; words.units says how it is written
 *   "exponent": -3,              values are whole numbers × 10^exponent; they may be strings (beyond 2^53 they must be)
 *   "zone": "Asia/Almaty",       zone of axis and words
 *   "offsets": [[0, 21600], [1709229600, 18000]],    optional: offset of the zone from an epoch second on
 *   "intervals": [{"start", "end": epoch s, "value": int | null (missing), "total": int | null (of a stretch that has no
 *                  hourly values), "quality": "A", "method": "…", "flags": []}],
 *   "readings":  [{"t": epoch s, "value": int, "quality": "A", "version_count": 1, "received_at": epoch s, "flags": []}],
 *   "names":  {"A": "actual", "E": "estimated", "interpolated": "interpolated"},   optional: words of qualities, methods, flags
 *   "whole":  ["A", ""]          optional: qualities drawn solid; every other one is hatched
 * }
 *
 * Flags: "fall" (▼), "jump" (▲), "version" (◆, also where version_count > 1); "missing" has no sign, as the gap shows;
 * any other one is a ●. Both lists are ascending and may be empty. An interval without a value is a hatched gap, one
 * that is flagged as a fall or a jump a tinted one. Sums and differences are made of whole numbers, so they are exact.
 */
import uPlot from "../vendor/uplot/uplot.min.js";
import { Zone, announce, colour, count, el, exact, icon, number, say, withUnit, unit, words } from "./format.js";

const SIGNS = { fall: "▼", jump: "▲", version: "◆" };
const THINNEST = 1.5; // px of a bar
const LANE = 18; // px above the plot's top value where marks stand
const ROWS = 500; // of the table
const DAY = 86400;

const sources = new Map(); // URL → promise of data
const groups = new Map(); // source → charts that move together

function load(figure) {
  const id = figure.dataset.json;
  if (id) return Promise.resolve(JSON.parse(document.getElementById(id).textContent));
  const url = figure.dataset.src;
  if (!sources.has(url)) {
    const asked = fetch(url, { headers: { Accept: "application/json" } }).then((answer) => {
      if (!answer.ok) throw new Error(`${answer.status}`);
      return answer.json();
    });
    asked.catch(() => sources.delete(url));
    sources.set(url, asked);
  }
  return sources.get(url);
}

/** The colours of the present theme. */
function palette() {
  const found = {};
  for (const token of ["ink", "soft", "line", "card", "hatch", "apple", "ochre", "sky"]) found[token] = colour(token);
  found.bar = colour("series-1");
  return found;
}

function hatch(context, ratio, stroke, back) {
  const size = Math.round(6 * ratio);
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  if (back) {
    pen.fillStyle = back;
    pen.fillRect(0, 0, size, size);
  }
  pen.strokeStyle = stroke;
  pen.lineWidth = 1.3 * ratio;
  for (const shift of [-size, 0, size]) {
    pen.beginPath();
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

function flagsOf(point) {
  const flags = (point.flags ?? []).filter((flag) => flag !== "missing");
  return (point.version_count ?? 1) > 1 && !flags.includes("version") ? [...flags, "version"] : flags;
}
const worst = (flags) => ["fall", "jump", "version"].find((one) => flags.includes(one)) ?? flags[0];
const loud = (one) => one.flags?.includes("fall") || one.flags?.includes("jump");
const tokenOf = (flag) => ({ fall: "apple", jump: "ochre", version: "sky" })[flag] ?? "soft";

class Chart {
  constructor(figure, data) {
    this.figure = figure;
    this.kind = figure.dataset.chart;
    this.data = { exponent: 0, zone: "UTC", names: {}, whole: ["A", "", null, undefined], ...data };
    this.zone = new Zone(this.data.zone, data.offsets);
    this.scale = 10 ** this.data.exponent;
    this.intervals = data.intervals ?? [];
    this.readings = data.readings ?? [];
    this.label = figure.dataset.label || figure.querySelector("figcaption")?.textContent.trim() || "";
    this.days = this.kind === "hourly" ? this.byDay() : [];
    this.gaps = this.findGaps();
    this.marks = this.findMarks();
    this.all = this.kind === "hourly" ? this.intervals : this.readings;
    const first = this.all[0]?.start ?? this.all[0]?.t;
    const last = this.all.at(-1)?.end ?? this.all.at(-1)?.t;
    this.full = [Math.min(first, this.intervals[0]?.start ?? first), Math.max(last, this.intervals.at(-1)?.end ?? last)];
    if (this.full[1] <= this.full[0]) this.full = [this.full[0] - DAY / 2, this.full[0] + DAY / 2];
    this.range = this.full;
    this.index = null;
    this.build();
  }

  name(code) {
    return this.data.names[code] ?? words.names?.[code] ?? code;
  }

  solid(interval) {
    return this.data.whole.includes(interval.quality);
  }

  /** The intervals summed over local days. */
  byDay() {
    const days = [];
    const dayOf = (t) => {
      if (days.length && t < days.at(-1).end) return days.at(-1);
      const { year, month, day } = this.zone.fields(t);
      days.push({ start: this.zone.at(year, month, day), end: this.zone.at(year, month, day + 1), sum: 0n, known: 0, missing: 0, rough: 0, flags: [] });
      return days.at(-1);
    };
    for (const one of this.intervals) {
      const day = dayOf(one.start);
      day.flags.push(...flagsOf(one));
      if (one.value !== null) {
        day.sum += BigInt(one.value);
        day.known += 1;
        if (!this.solid(one)) day.rough += 1;
      } else {
        for (let t = one.start; t < one.end; t = dayOf(t).end) dayOf(t).missing += (Math.min(one.end, dayOf(t).end) - t) / 3600;
      }
    }
    for (const one of days) {
      one.value = one.known ? one.sum.toString() : null;
      one.quality = one.rough ? "partly" : "A";
      one.flags = [...new Set(one.flags)];
    }
    return days;
  }

  findGaps() {
    const gaps = [];
    for (const one of this.intervals) {
      if (one.value !== null) continue;
      const last = gaps.at(-1);
      const faulty = loud(one);
      if (last && last.end === one.start && last.faulty === faulty) {
        last.end = one.end;
        last.total = (last.total ?? null) === null || (one.total ?? null) === null ? null : BigInt(last.total) + BigInt(one.total);
      } else gaps.push({ start: one.start, end: one.end, faulty, quality: one.quality, total: one.total });
    }
    return gaps;
  }

  /** What somebody should look at: flagged readings, and flagged intervals where no reading tells it already. */
  findMarks() {
    const marks = [];
    this.readings.forEach((reading, index) => {
      const flags = flagsOf(reading);
      if (!flags.length) return;
      const before = this.readings[index - 1];
      const step = before ? BigInt(reading.value) - BigInt(before.value) : null;
      marks.push({ t: reading.t, flag: worst(flags), flags, step, reading });
    });
    for (const one of this.intervals) {
      for (const flag of flagsOf(one)) {
        const told = marks.some((mark) => mark.flags.includes(flag) && mark.t >= one.start - 3600 && mark.t <= one.end + 3600);
        if (!told) marks.push({ t: one.start, flag, flags: [flag], step: null, interval: one });
      }
    }
    return marks.sort((a, b) => a.t - b.t);
  }

  get bars() {
    return this.grain === "day" ? this.days : this.intervals;
  }

  /** Columns for uPlot: middles of intervals, or times of readings. */
  columns() {
    if (this.kind === "register") {
      return [this.readings.map((r) => r.t), this.readings.map((r) => Number(r.value) * this.scale)];
    }
    return [
      this.bars.map((one) => (one.start + one.end) / 2),
      this.bars.map((one) => (one.value === null ? null : Number(one.value) * this.scale)),
    ];
  }

  grainFor([from, to]) {
    if (this.kind !== "hourly" || !this.intervals.length) return "interval";
    const width = Math.max(this.plot.clientWidth - 70, 100);
    const shown = this.intervals.filter((one) => one.end > from && one.start < to).length;
    return shown && width / shown < THINNEST && this.days.length > 1 ? "day" : "interval";
  }

  build() {
    const figure = this.figure;
    figure.querySelectorAll(":scope > :not(figcaption)").forEach((old) => old.remove());
    this.plot = el("div", {
      class: "chart-plot", "data-kind": this.kind, tabindex: "0", role: "slider", "aria-label": this.label,
      "aria-orientation": "horizontal", "aria-valuemin": "0",
    });
    this.tip = el("div", { class: "chart-tip", hidden: true });
    this.summary = el("p", { class: "chart-summary" });
    const head = el("div", { class: "chart-head" }, this.summary, this.tools());
    figure.append(head, this.plot);
    if (!this.all.length) {
      this.plot.remove();
      head.remove();
      const why = this.readings.length ? "no_hours" : "no_data";
      figure.append(el("div", { class: "empty" }, icon("chart-column"), el("p", {}, say(why))));
      return;
    }
    this.colours = palette();
    this.grain = this.grainFor(this.range);
    this.u = new uPlot(this.options(), this.columns(), this.plot);
    this.plot.append(this.tip);
    figure.append(this.keys(), ...this.markList(), this.table());
    this.listen();
    this.told();
  }

  options() {
    const axis = () => this.colours.soft;
    const font = `12px ${getComputedStyle(this.figure).fontFamily}`;
    const hourly = this.kind === "hourly";
    return {
      width: this.plot.clientWidth,
      height: this.plot.clientHeight,
      legend: { show: false },
      padding: [LANE + 18, 8, 0, 0],
      cursor: { y: false, points: { show: !hourly, size: 9 }, drag: { x: true, y: false, setScale: false, dist: 6 } },
      scales: {
        x: { time: false, range: () => this.range },
        y: { range: (u, low, high) => this.reach(low, high) },
      },
      series: [
        {},
        hourly
          ? { paths: () => null, points: { show: false } }
          : {
              stroke: () => this.colours.bar,
              width: 2,
              points: { show: (u, s, from, to) => to - from < u.bbox.width / uPlot.pxRatio / 14, size: 5, fill: () => this.colours.card },
              paths: this.figure.dataset.shape === "step" ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
            },
      ],
      axes: [
        {
          stroke: axis, font, space: 84, size: 46, gap: 6, align: 1,
          grid: { stroke: () => this.colours.line, width: 1 },
          ticks: { stroke: () => this.colours.line, width: 1, size: 4 },
          splits: (u, i, from, to) => this.timeSplits(from, to, u.bbox.width / uPlot.pxRatio),
          values: (u, at) => this.fitting(u, at, this.timeWords(at)),
        },
        {
          stroke: axis, font, gap: 6,
          grid: { stroke: () => this.colours.line, width: 1 },
          ticks: { show: false },
          size: (u, values) => 14 + Math.max(...(values ?? [""]).map((text) => text.length)) * 7,
          values: (u, at) => at.map((value) => number(value, 4)),
        },
      ],
      hooks: {
        drawClear: [(u) => this.drawGaps(u)],
        draw: [(u) => this.draw(u)],
        setCursor: [(u) => this.point(u.cursor.idx, false)],
        setSelect: [(u) => this.selected(u)],
      },
    };
  }

  /** The range of values: bars stand on zero; a register fills the height. */
  reach(low, high) {
    if (this.kind === "hourly") {
      const [from, to] = this.range;
      const shown = this.bars.filter((one) => one.value !== null && one.end > from && one.start < to);
      const calm = shown.filter((one) => !loud(one));
      const values = (calm.length ? calm : shown).map((one) => Number(one.value) * this.scale);
      const top = Math.max(0, ...values) || this.scale;
      const ground = Math.min(0, ...values, shown.some((one) => BigInt(one.value) < 0n) ? -top * 0.16 : 0);
      return [ground, top * 1.06];
    }
    if (low === null || high === null) return [0, 1];
    const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.06;
    return [low - room, high + room];
  }

  timeSplits(from, to, width) {
    const most = Math.max(2, Math.floor(width / 84));
    const span = to - from;
    const splits = [];
    for (const hours of [1, 2, 3, 6, 12]) {
      if (span / (hours * 3600) > most) continue;
      const { year, month, day } = this.zone.fields(from);
      for (let t = this.zone.at(year, month, day), n = 0; t <= to; n += hours, t = this.zone.at(year, month, day, n)) {
        if (t >= from) splits.push(t);
      }
      return [...new Set(splits)];
    }
    for (const days of [1, 2, 3, 4, 7, 14]) {
      if (span / (days * DAY) > most) continue;
      const { year, month, day } = this.zone.fields(from);
      for (let n = 0, t = from; t <= to; n += days) {
        t = this.zone.at(year, month, day + n);
        if (t >= from && t <= to) splits.push(t);
      }
      return splits;
    }
    const months = [1, 2, 3, 6, 12, 24, 60].find((n) => span / (n * 30.4 * DAY) <= most) ?? 120;
    const { year, month } = this.zone.fields(from);
    for (let n = -(month % months), t = from; t <= to; n += months) {
      t = this.zone.at(year, month + n, 1);
      if (t >= from && t <= to) splits.push(t);
    }
    return splits;
  }

  /** Labels begin at their tick; one that would leave the chart is left out. */
  fitting(u, at, texts) {
    const pen = u.ctx;
    pen.save();
    pen.font = `${12 * uPlot.pxRatio}px ${getComputedStyle(this.figure).fontFamily}`;
    const room = (t) => u.bbox.left + u.bbox.width + 8 * uPlot.pxRatio - u.valToPos(t, "x", true);
    const kept = texts.map((text, i) => (Math.max(...text.split("\n").map((line) => pen.measureText(line).width)) <= room(at[i]) ? text : ""));
    pen.restore();
    return kept;
  }

  timeWords(at) {
    const step = at.length > 1 ? at[1] - at[0] : DAY;
    return at.map((t, i) => {
      const { year, month, day, hour, minute } = this.zone.fields(t);
      if (step < DAY * 0.9) {
        const clock = this.zone.clock(t);
        return i === 0 || (hour === 0 && minute === 0) ? `${clock}\n${this.zone.dayMonth(t)}` : clock;
      }
      if (step < DAY * 27) return i === 0 || (month === 0 && day < step / DAY) ? `${this.zone.dayMonth(t)}\n${year}` : this.zone.dayMonth(t);
      return i === 0 || month === 0 ? `${this.zone.month(t)}\n${year}` : this.zone.month(t);
    });
  }

  drawGaps(u) {
    const pen = u.ctx;
    const ratio = uPlot.pxRatio;
    const { left, top, width, height } = u.bbox;
    pen.save();
    pen.beginPath();
    pen.rect(left, top - LANE * ratio, width, height + LANE * ratio);
    pen.clip();
    const pattern = hatch(pen, ratio, this.colours.hatch);
    for (const { start, end, faulty, total } of this.gaps) {
      const a = u.valToPos(start, "x", true);
      const b = u.valToPos(end, "x", true);
      if (b < left || a > left + width) continue;
      pen.globalAlpha = faulty ? 0.14 : 0.6;
      pen.fillStyle = faulty ? this.colours.apple : pattern;
      pen.fillRect(a, top, Math.max(b - a, ratio), height);
      pen.globalAlpha = 1;
      if (faulty) continue;
      const known = this.kind === "hourly" && total !== null && total !== undefined;
      const text = known ? `${say("missing")}: ${withUnit(exact(total, this.data.exponent), this.data.unit)}` : say("missing");
      pen.font = `${12 * ratio}px ${getComputedStyle(this.figure).fontFamily}`;
      const visible = Math.min(b, left + width) - Math.max(a, left);
      const wide = pen.measureText(text).width + 12 * ratio;
      if (visible > wide) {
        const middle = Math.max(a, left) + visible / 2;
        pen.fillStyle = this.colours.card;
        pen.fillRect(middle - wide / 2, top + height / 2 - 10 * ratio, wide, 20 * ratio);
        pen.fillStyle = this.colours.soft;
        pen.textAlign = "center";
        pen.textBaseline = "middle";
        pen.fillText(text, middle, top + height / 2);
      }
    }
    pen.restore();
  }

  draw(u) {
    if (this.kind === "hourly") this.drawBars(u);
    this.drawMarks(u);
    const pen = u.ctx;
    const ratio = uPlot.pxRatio;
    pen.save();
    pen.font = `${12 * ratio}px ${getComputedStyle(this.figure).fontFamily}`;
    pen.fillStyle = this.colours.soft;
    pen.textAlign = "left";
    pen.textBaseline = "top";
    const what = this.kind === "register" ? unit(this.data.unit) : say(this.grain === "day" ? "per_day" : this.perHour() ? "per_hour" : "per_interval", { unit: unit(this.data.unit) });
    pen.fillText(what, 4 * ratio, 2 * ratio);
    pen.restore();
  }

  perHour() {
    return this.intervals.every((one) => one.value === null || one.end - one.start === 3600);
  }

  drawBars(u) {
    const pen = u.ctx;
    const ratio = uPlot.pxRatio;
    const { left, top, width, height } = u.bbox;
    const ground = u.valToPos(0, "y", true);
    const rough = hatch(pen, ratio, this.colours.bar, this.colours.card);
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    this.bars.forEach((one, index) => {
      if (one.value === null) return;
      const a = u.valToPos(one.start, "x", true);
      const b = u.valToPos(one.end, "x", true);
      if (b < left || a > left + width) return;
      const space = b - a > 5 * ratio ? Math.min((b - a) * 0.18, 4 * ratio) : 0;
      const value = Number(one.value) * this.scale;
      const y = u.valToPos(value, "y", true);
      const tall = Math.max(Math.abs(ground - y), value === 0 ? ratio : 1.5 * ratio);
      const topLeft = [a + space / 2, value >= 0 ? ground - tall : ground];
      const size = [Math.max(b - a - space, 0.75), tall];
      pen.fillStyle = value < 0 ? this.colours.apple : this.solid(one) || this.grain === "day" ? this.colours.bar : rough;
      pen.globalAlpha = this.index === null || this.index === index ? 1 : 0.72;
      pen.fillRect(...topLeft, ...size);
      pen.globalAlpha = 1;
      if (!this.solid(one) && this.grain !== "day" && size[0] > 4 * ratio) {
        pen.strokeStyle = this.colours.bar;
        pen.lineWidth = ratio;
        pen.strokeRect(topLeft[0] + ratio / 2, topLeft[1] + ratio / 2, size[0] - ratio, Math.max(size[1] - ratio, 0));
      }
      const over = y < top - ratio ? top : y > top + height + ratio ? top + height : null;
      if (over !== null) this.drawCut(pen, one, (a + b) / 2, over, over === top ? 1 : -1, size[0]);
      if (this.grain === "day" && one.missing) {
        pen.fillStyle = this.colours.ochre;
        pen.fillRect(topLeft[0], u.bbox.top + height - 3 * ratio, size[0], 3 * ratio);
      }
    });
    if (ground > top && ground < top + height) {
      pen.fillStyle = this.colours.soft;
      pen.fillRect(left, ground - ratio / 2, width, ratio);
    }
    pen.restore();
  }

  /** A bar that is longer than the chart is tall: cut with two slashes, its value beside it. */
  drawCut(pen, one, x, edge, inward, wide) {
    const ratio = uPlot.pxRatio;
    const half = Math.max(wide, 6 * ratio) / 2 + 2 * ratio;
    pen.save();
    pen.strokeStyle = this.colours.card;
    pen.lineWidth = 2 * ratio;
    for (const step of [8, 12]) {
      const y = edge + inward * step * ratio;
      pen.beginPath();
      pen.moveTo(x - half, y + 2 * ratio);
      pen.lineTo(x + half, y - 2 * ratio);
      pen.stroke();
    }
    const text = exact(one.value, this.data.exponent);
    const { left, width } = this.u.bbox;
    pen.font = `600 ${12 * ratio}px ${getComputedStyle(this.figure).fontFamily}`;
    pen.textBaseline = "middle";
    pen.fillStyle = BigInt(one.value) < 0n ? this.colours.apple : this.colours.ink;
    const right = x + half + 4 * ratio + pen.measureText(text).width < left + width;
    pen.textAlign = right ? "left" : "right";
    pen.fillText(text, x + (right ? 1 : -1) * (half + 4 * ratio), edge + inward * 10 * ratio);
    pen.restore();
  }

  drawMarks(u) {
    const pen = u.ctx;
    const ratio = uPlot.pxRatio;
    const { left, top, width, height } = u.bbox;
    const shown = this.marks
      .map((mark) => ({ ...mark, x: u.valToPos(mark.t, "x", true) }))
      .filter((mark) => mark.x >= left && mark.x <= left + width);
    pen.save();
    pen.textBaseline = "middle";
    pen.font = `${12 * ratio}px ${getComputedStyle(this.figure).fontFamily}`;
    let free = -Infinity;
    shown.forEach((mark, i) => {
      const tone = this.colours[tokenOf(mark.flag)];
      pen.strokeStyle = pen.fillStyle = tone;
      pen.globalAlpha = 0.5;
      pen.lineWidth = ratio;
      pen.setLineDash([3 * ratio, 3 * ratio]);
      pen.beginPath();
      pen.moveTo(mark.x, top - 4 * ratio);
      pen.lineTo(mark.x, top + height);
      pen.stroke();
      pen.setLineDash([]);
      pen.globalAlpha = 1;
      const y = top - 11 * ratio;
      if (mark.x > free) drawSign(pen, mark.flag, mark.x, y, 5 * ratio);
      const text = this.name(mark.flag);
      const wide = pen.measureText(text).width + 14 * ratio;
      const right = mark.x + wide < (shown[i + 1]?.x ?? left + width);
      if (mark.x > free && (right || mark.x - wide > Math.max(free, left))) {
        pen.textAlign = right ? "left" : "right";
        pen.fillText(text, mark.x + (right ? 9 : -9) * ratio, y);
      }
      free = Math.max(free, mark.x + (right ? wide : 4 * ratio));
    });
    pen.restore();
  }

  tools() {
    const span = this.full[1] - this.full[0];
    const choices = [["day_range", DAY], ["week", 7 * DAY], ["month", 31 * DAY], ["all", Infinity]].filter(
      ([key, seconds]) => key === "all" || seconds < span * 0.95,
    );
    if (choices.length < 2 || this.kind === "register") return null;
    this.choices = choices.map(([key, seconds]) => {
      const button = el("button", { type: "button", "aria-pressed": "false" }, say(key));
      button.addEventListener("click", () => this.look(this.around(seconds)));
      return [seconds, button];
    });
    const earlier = el("button", { type: "button", class: "button square", "aria-label": say("earlier") }, icon("chevron-left"));
    const later = el("button", { type: "button", class: "button square", "aria-label": say("later") }, icon("chevron-right"));
    earlier.addEventListener("click", () => this.shift(-1));
    later.addEventListener("click", () => this.shift(1));
    this.steps = [earlier, later];
    const choice = el("div", { class: "choice", role: "group", "aria-label": say("range") }, ...this.choices.map(([, button]) => button));
    return el("div", { class: "chart-tools" }, earlier, choice, later);
  }

  /** A range of that many seconds about what is looked at (the picked point, else the range's end), on local days. */
  around(seconds) {
    if (seconds === Infinity) return this.full;
    const picked = this.index === null ? null : this.u.data[0][this.index];
    const end = picked === null ? this.range[1] : Math.min(picked + seconds / 2, this.full[1]);
    const { year, month, day } = this.zone.fields(Math.min(end, this.full[1]) - 1);
    const last = this.zone.at(year, month, day + 1);
    const first = this.zone.fields(last - 1);
    return [this.zone.at(first.year, first.month, first.day + 1 - Math.round(seconds / DAY)), last];
  }

  shift(by) {
    const [from, to] = this.range;
    const a = this.zone.fields(from);
    const days = Math.max(1, Math.round((to - from) / DAY));
    const start = this.zone.at(a.year, a.month, a.day + by * days, a.hour);
    if (start + (to - from) <= this.full[0] || start >= this.full[1]) return;
    this.look([start, start + (to - from)]);
  }

  selected(u) {
    const { left, width } = u.select;
    if (width > 8) this.look([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  /** Shows a range, in every chart of the same source. */
  look(range) {
    for (const chart of groups.get(this.source) ?? [this]) chart.show(range);
  }

  show(range) {
    const [first, last] = this.full;
    const span = Math.min(Math.max(range[1] - range[0], 3600), last - first);
    const from = Math.min(Math.max(range[0], first), last - span);
    this.range = [from, from + span];
    const grain = this.grainFor(this.range);
    this.point(null);
    this.u.batch(() => {
      if (grain !== this.grain) {
        this.grain = grain;
        this.u.setData(this.columns(), false);
      }
      this.u.setScale("x", { min: this.range[0], max: this.range[1] });
    });
    this.told();
  }

  /** What the present range holds, in words; and the table when it is open. */
  told() {
    const [from, to] = this.range;
    const unitCode = this.data.unit;
    const alone = this.kind === "register" && this.all.length === 1;
    const parts = [alone ? this.zone.moment(this.all[0].t) : this.zone.span(Math.max(from, this.full[0]), Math.min(to, this.full[1]))];
    if (this.kind === "hourly") {
      const shown = this.intervals.filter((one) => one.end > from && one.start < to);
      const known = shown.filter((one) => one.value !== null);
      const totals = shown.filter((one) => one.value === null && one.total !== null && one.total !== undefined && one.quality === "E");
      const sum = [...known.map((one) => one.value), ...totals.map((one) => one.total)].reduce((total, one) => total + BigInt(one), 0n);
      parts.push(say("sum", { value: withUnit(exact(sum, this.data.exponent), unitCode) }));
      const noisy = known.filter(loud);
      if (noisy.length && noisy.length < known.length) {
        const rest = sum - noisy.reduce((total, one) => total + BigInt(one.value), 0n);
        parts.push(say("sum_without", { value: withUnit(exact(rest, this.data.exponent), unitCode) }));
      }
      const hours = (list) => list.reduce((total, one) => total + Math.min(one.end, to) - Math.max(one.start, from), 0) / 3600;
      const size = this.perHour() ? (list) => Math.round(hours(list)) : (list) => list.length;
      parts.push(count(this.perHour() ? "hours" : "intervals", size(shown)));
      if (shown.length > known.length) parts.push(count("missing_intervals", size(shown.filter((one) => one.value === null))));
    } else {
      const shown = this.readings.filter((one) => one.t >= from && one.t <= to);
      parts.push(count("readings", shown.length));
      if (shown.length > 1) {
        parts.push(
          `${exact(shown[0].value, this.data.exponent)} → ${withUnit(exact(shown.at(-1).value, this.data.exponent), unitCode)}`,
        );
      }
    }
    const marks = this.marks.filter((mark) => mark.t >= from && mark.t <= to);
    if (marks.length && this.kind === "hourly") parts.push(count("marks", marks.length));
    this.summary.textContent = parts.join(" · ");
    this.plot.setAttribute("aria-valuemax", String(Math.max(this.u.data[0].length - 1, 0)));
    this.plot.setAttribute("aria-valuenow", String(this.index ?? 0));
    this.plot.setAttribute("aria-valuetext", this.index === null ? this.summary.textContent : this.lines(this.index).join(", "));
    for (const [seconds, button] of this.choices ?? []) {
      const pressed = seconds === Infinity ? from <= this.full[0] && to >= this.full[1] : Math.abs(to - from - seconds) < 7200;
      button.setAttribute("aria-pressed", String(pressed));
    }
    if (this.steps) {
      this.steps[0].disabled = from <= this.full[0];
      this.steps[1].disabled = to >= this.full[1];
    }
    if (this.details?.open) this.fillTable();
  }

  /** What there is to say of one point, a line each. */
  lines(index) {
    const unitCode = this.data.unit;
    if (this.kind === "register") {
      const one = this.readings[index];
      const lines = [this.zone.moment(one.t), withUnit(exact(one.value, this.data.exponent), unitCode)];
      if (!this.data.whole.includes(one.quality)) lines.push(this.name(one.quality));
      for (const flag of flagsOf(one)) lines.push(this.flagWords(flag, one, index));
      return lines;
    }
    const one = this.bars[index];
    const lines = [this.zone.span(one.start, one.end), one.value === null ? say("missing") : withUnit(exact(one.value, this.data.exponent), unitCode)];
    if (this.grain === "day") {
      if (one.rough) lines.push(count("rough_intervals", one.rough));
      if (one.missing && one.value !== null) lines.push(count("missing_intervals", Math.round(one.missing)));
    } else if (one.value !== null) {
      if (!this.solid(one)) lines.push(this.name(one.quality));
      if (one.method) lines.push(this.name(one.method));
    } else if (one.total !== null && one.total !== undefined) {
      lines.push(say("gap_total", { value: withUnit(exact(one.total, this.data.exponent), unitCode) }));
    }
    for (const flag of flagsOf(one)) lines.push(`${SIGNS[flag] ?? "●"} ${this.name(flag)}`);
    return lines;
  }

  flagWords(flag, reading, index) {
    const before = this.readings[index - 1];
    const sign = SIGNS[flag] ?? "●";
    if (flag === "version") return `${sign} ${count("versions", reading.version_count ?? 2)}`;
    if (!before) return `${sign} ${this.name(flag)}`;
    const step = BigInt(reading.value) - BigInt(before.value);
    return `${sign} ${this.name(flag)}: ${withUnit((step > 0n ? "+" : "") + exact(step, this.data.exponent), this.data.unit)}`;
  }

  /** Looks at one point: tooltip, cursor, words. */
  point(index, move = true) {
    const u = this.u;
    if (!u) return;
    if (index === undefined) index = null;
    if (index !== null && (index < 0 || index >= u.data[0].length)) return;
    const changed = index !== this.index;
    this.index = index;
    this.tip.hidden = index === null;
    if (index === null) {
      if (move) u.setCursor({ left: -10, top: -10 }, false);
      if (changed) u.redraw(false, false);
      return;
    }
    const x = u.data[0][index];
    const [head, value, ...rest] = this.lines(index);
    this.tip.replaceChildren(
      el("span", { class: "soft" }, head),
      el("strong", {}, value),
      ...rest.map((line) => el("div", {}, line)),
    );
    const over = u.over.getBoundingClientRect();
    const plot = this.plot.getBoundingClientRect();
    const at = u.valToPos(x, "x") + over.left - plot.left;
    const wide = this.tip.offsetWidth;
    const left = at + wide + 16 > plot.width ? at - wide - 12 : at + 12;
    this.tip.style.transform = `translate(${Math.max(0, Math.round(left))}px, ${Math.round(over.top - plot.top)}px)`;
    this.plot.setAttribute("aria-valuenow", String(index));
    this.plot.setAttribute("aria-valuetext", [head, value, ...rest].join(", "));
    if (move) u.setCursor({ left: u.valToPos(x, "x"), top: 10 }, false);
    if (changed && this.kind === "hourly") u.redraw(false, false);
  }

  step(to) {
    const x = this.u.data[0];
    const index = Math.min(Math.max(to, 0), x.length - 1);
    const [from, until] = this.range;
    if (x[index] < from || x[index] > until) {
      const span = until - from;
      const start = x[index] < from ? x[index] - span * 0.1 : x[index] - span * 0.9;
      this.look([start, start + span]);
    }
    this.point(index);
  }

  listen() {
    this.plot.addEventListener("keydown", (event) => {
      const x = this.u.data[0];
      const first = x.findIndex((t) => t >= this.range[0]);
      const here = this.index ?? first - 1;
      const jumps = { ArrowRight: here + 1, ArrowLeft: this.index === null ? first : here - 1, PageDown: here + 24, PageUp: here - 24, Home: 0, End: x.length - 1 };
      if (event.key in jumps && !event.altKey && !event.ctrlKey && !event.metaKey) this.step(jumps[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "Escape" && this.index !== null) this.point(null);
      else return;
      event.preventDefault();
    });
    this.plot.addEventListener("blur", () => this.point(null));
    this.plot.addEventListener("dblclick", () => this.look(this.full));
    let wide = 0;
    new ResizeObserver(() => {
      if (this.plot.clientWidth === wide || !this.plot.clientWidth) return;
      wide = this.plot.clientWidth;
      this.u.setSize({ width: wide, height: this.u.height });
      this.show(this.range);
    }).observe(this.plot);
    document.addEventListener("qala:theme", () => {
      this.colours = palette();
      this.u.redraw(false, true);
      this.figure.querySelector(".chart-keys")?.replaceWith(this.keys());
    });
  }

  zoom(by) {
    const middle = this.index === null ? (this.range[0] + this.range[1]) / 2 : this.u.data[0][this.index];
    const half = ((this.range[1] - this.range[0]) * by) / 2;
    const kept = this.index === null ? null : middle;
    this.look(half * 2 >= this.full[1] - this.full[0] ? this.full : [middle - half, middle + half]);
    if (kept !== null) this.point(this.u.data[0].findIndex((t) => t >= kept - 1));
  }

  /** What the signs mean: only those that the data hold. */
  keys() {
    const list = el("ul", { class: "chart-keys" });
    const key = (draw, text) => {
      const canvas = el("canvas", { width: "36", height: "28", "aria-hidden": "true" });
      const pen = canvas.getContext("2d");
      draw(pen);
      list.append(el("li", {}, canvas, text));
    };
    const box = (fill, stroke) => (pen) => {
      pen.fillStyle = fill(pen);
      pen.fillRect(1, 3, 34, 22);
      if (stroke) {
        pen.strokeStyle = stroke;
        pen.lineWidth = 2;
        pen.strokeRect(2, 4, 32, 20);
      }
    };
    if (this.kind === "hourly") {
      const rough = [...new Set(this.intervals.filter((one) => one.value !== null && !this.solid(one)).map((one) => one.quality))];
      if (rough.length && this.intervals.some((one) => one.value !== null && this.solid(one))) {
        key(box(() => this.colours.bar), this.name(this.data.whole[0]));
      }
      for (const one of rough) key(box((pen) => hatch(pen, 2, this.colours.bar, this.colours.card), this.colours.bar), this.name(one));
    }
    if (this.gaps.some((gap) => !gap.faulty)) key(box((pen) => hatch(pen, 2, this.colours.hatch)), say("missing"));
    const faulty = this.gaps.find((gap) => gap.faulty);
    if (faulty) {
      key((pen) => {
        pen.globalAlpha = 0.25;
        box(() => this.colours.apple)(pen);
      }, this.name(faulty.quality));
    }
    for (const flag of new Set(this.marks.map((mark) => mark.flag))) {
      key((pen) => {
        pen.fillStyle = this.colours[tokenOf(flag)];
        drawSign(pen, flag, 18, 14, 10);
      }, this.name(flag));
    }
    return list;
  }

  /** The marks in words, each a way to its place in the chart. */
  markList() {
    if (this.kind !== "hourly" || !this.marks.length) return [];
    const most = 6;
    const item = (mark) => {
      const index = mark.reading ? this.readings.indexOf(mark.reading) : -1;
      const what = index >= 0 ? mark.flags.map((flag) => this.flagWords(flag, mark.reading, index).slice(2)).join(", ") : this.name(mark.flag);
      const button = el(
        "button", { type: "button" },
        el("span", { class: `mark-${mark.flag in SIGNS ? mark.flag : "other"}`, "aria-hidden": "true" }, SIGNS[mark.flag] ?? "●"),
        el("span", { class: "what" }, el("time", { class: "soft" }, this.zone.moment(mark.t)), " — ", what),
      );
      button.addEventListener("click", () => {
        const { year, month, day } = this.zone.fields(mark.t);
        this.look([this.zone.at(year, month, day - 1), this.zone.at(year, month, day + 2)]);
        const inside = (one) => (mark.reading ? one.start < mark.t && one.end >= mark.t : one.start <= mark.t && one.end > mark.t);
        const at = this.bars.findIndex(inside); // a reading tells of the time before it
        this.plot.focus({ preventScroll: true });
        this.plot.scrollIntoView({ block: "nearest" });
        if (at >= 0) this.point(at);
      });
      return el("li", {}, button);
    };
    const list = el("ul", { class: "chart-marks", "aria-label": say("to_look_at") }, ...this.marks.slice(0, most).map(item));
    if (this.marks.length <= most) return [list];
    const rest = el("ul", { class: "chart-marks" }, ...this.marks.slice(most, ROWS).map(item));
    return [list, el("details", { class: "more" }, el("summary", {}, icon("chevron-down"), count("more_marks", this.marks.length - most)), rest)];
  }

  table() {
    this.body = el("tbody");
    this.note = el("p", { class: "soft small" });
    const heads = this.kind === "hourly" ? ["period", "value", "quality", "signs"] : ["time", "value", "quality", "signs"];
    this.details = el(
      "details", { class: "more" },
      el("summary", {}, icon("chevron-down"), say("table")),
      el(
        "div", { class: "table", role: "region", tabindex: "0", "aria-label": this.label },
        el(
          "table", {},
          el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col", class: head === "value" ? "number" : null }, say(head === "value" ? "value_in" : head, { unit: unit(this.data.unit) }))))),
          this.body,
        ),
      ),
      this.note,
    );
    this.details.addEventListener("toggle", () => this.details.open && this.fillTable());
    return this.details;
  }

  fillTable() {
    const [from, to] = this.range;
    const rows = [];
    const all = this.kind === "hourly" ? this.bars : this.readings;
    let left = 0;
    all.forEach((one, index) => {
      if ((one.end ?? one.t + 1) <= from || (one.start ?? one.t) >= to) return;
      if (rows.length >= ROWS) {
        left += 1;
        return;
      }
      const flags = flagsOf(one).map((flag) => (this.kind === "register" ? this.flagWords(flag, one, index) : `${SIGNS[flag] ?? "●"} ${this.name(flag)}`));
      const rough = one.quality === "partly" ? count("rough_intervals", one.rough) : this.name(one.quality ?? "");
      const quality = one.value === null ? "" : [rough, one.method ? this.name(one.method) : ""].filter(Boolean).join(", ");
      rows.push(
        el(
          "tr", {},
          el("th", { scope: "row" }, this.kind === "hourly" ? this.zone.span(one.start, one.end) : this.zone.moment(one.t)),
          el("td", { class: "number" }, one.value === null ? say("missing") : exact(one.value, this.data.exponent)),
          el("td", {}, one.value === null && one.total !== null && one.total !== undefined ? say("gap_total", { value: withUnit(exact(one.total, this.data.exponent), this.data.unit) }) : quality),
          el("td", {}, [...flags, one.missing && one.value !== null ? count("missing_intervals", Math.round(one.missing)) : ""].filter(Boolean).join("; ")),
        ),
      );
    });
    this.body.replaceChildren(...rows);
    this.note.textContent = left ? say("table_cut", { n: number(left) }) : "";
  }
}

function drawSign(pen, flag, x, y, r) {
  pen.beginPath();
  if (flag === "fall") {
    pen.moveTo(x - r, y - r * 0.8);
    pen.lineTo(x + r, y - r * 0.8);
    pen.lineTo(x, y + r);
  } else if (flag === "jump") {
    pen.moveTo(x - r, y + r * 0.8);
    pen.lineTo(x + r, y + r * 0.8);
    pen.lineTo(x, y - r);
  } else if (flag === "version") {
    pen.moveTo(x, y - r);
    pen.lineTo(x + r, y);
    pen.lineTo(x, y + r);
    pen.lineTo(x - r, y);
  } else pen.arc(x, y, r * 0.7, 0, 2 * Math.PI);
  pen.closePath();
  pen.fill();
}

async function begin(figure) {
  const shape = el("div", { class: "chart-plot" }, el("div", { class: "shape" }));
  figure.querySelectorAll(":scope > :not(figcaption)").forEach((old) => old.remove());
  figure.append(shape);
  figure.setAttribute("aria-busy", "true");
  try {
    const data = await load(figure);
    const chart = new Chart(figure, data);
    if (chart.u) {
      chart.source = figure.dataset.json || figure.dataset.src;
      groups.set(chart.source, [...(groups.get(chart.source) ?? []), chart]);
    }
  } catch (error) {
    console.error(error);
    const again = el("button", { type: "button", class: "button" }, icon("refresh-cw"), say("try_again"));
    again.addEventListener("click", () => begin(figure));
    shape.replaceWith(el("div", { class: "empty" }, icon("cloud-off"), el("p", {}, say("not_loaded")), again));
    announce(say("not_loaded"));
  } finally {
    figure.removeAttribute("aria-busy");
  }
}

export function charts(root = document) {
  for (const figure of root.querySelectorAll("figure[data-chart]:not([data-begun])")) {
    figure.dataset.begun = "";
    begin(figure);
  }
}

charts();
document.addEventListener("htmx:after:swap", () => charts());
