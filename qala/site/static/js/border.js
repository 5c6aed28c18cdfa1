/*
 * Moves a border: its corners are dragged, added and removed by mouse, finger or keyboard. The form beside it is sent as
 * it is; the outline travels in its hidden field as a GeoJSON geometry.
 */
import { announce, number } from "./format.js";
import { box, collection, config, draw, failed } from "./placemap.js";

const REACH = 14; // pixels around a corner that belong to it: a finger is no needle
const MOST_SHOWN = 600; // corners drawn at once; the others show when one comes closer
const STEP = 6; // pixels that an arrow key moves a corner; with Shift one
const form = document.getElementById("border-form");
const field = form.elements.namedItem("outline");
const told = document.getElementById("border-told");
const sayIt = (key, values = {}) => (config.words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

let map = null;
let rings = []; // every ring of every part, without the closing position: {part, at: [[lon, lat], …]}
let chosen = null; // {ring, at}
let drag = null;
let drawing = null; // the positions of an outline that is drawn anew
let shown = [];
const past = [];

// The outline --------------------------------------------------------------------------------------------------------

function read(geometry) {
  const parts = !geometry ? [] : geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  rings = parts.flatMap((part, i) => part.map((ring) => ({ part: i, at: ring.slice(0, -1).map((one) => [...one]) })));
}

function outline() {
  const parts = [];
  for (const ring of rings) (parts[ring.part] ??= []).push([...ring.at, ring.at[0]].map(([x, y]) => [Number(x.toFixed(7)), Number(y.toFixed(7))]));
  const kept = parts.filter(Boolean);
  return kept.length === 1 ? { type: "Polygon", coordinates: kept[0] } : { type: "MultiPolygon", coordinates: kept };
}

function keep() {
  past.push(JSON.stringify(rings));
  if (past.length > 100) past.shift();
}

function changed(words) {
  field.value = rings.length ? JSON.stringify(outline()) : "";
  redraw();
  if (words) say(words);
}

function say(words) {
  told.textContent = words;
  announce(words);
}

// Drawing ------------------------------------------------------------------------------------------------------------

const point = (at, properties) => ({ type: "Feature", properties, geometry: { type: "Point", coordinates: at } });
const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

function handles() {
  const view = map.getBounds();
  shown = [];
  const half = [];
  rings.forEach((ring, r) => ring.at.forEach((at, i) => {
    if (view.contains(at)) shown.push({ ring: r, at: i, place: at });
    const between = middle(at, ring.at[(i + 1) % ring.at.length]);
    if (view.contains(between)) half.push({ ring: r, after: i, place: between });
  }));
  const thin = Math.ceil(shown.length / MOST_SHOWN);
  if (thin > 1) shown = shown.filter((one, i) => i % thin === 0 || (chosen && one.ring === chosen.ring && one.at === chosen.at));
  shown.push(...(thin > 1 ? [] : half));
  return shown;
}

function redraw() {
  if (!map?.getSource("drawn")) return;
  const shapes = drawing
    ? drawing.length ? [{ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: drawing.length > 1 ? drawing : [drawing[0], drawing[0]] } }] : []
    : rings.length ? [{ type: "Feature", properties: {}, geometry: outline() }] : [];
  map.getSource("drawn").setData(collection(shapes));
  const corners = drawing
    ? drawing.map((at, i) => point(at, { kind: "corner", chosen: i === 0 }))
    : handles().map((one) => point(one.place, { kind: one.at === undefined ? "half" : "corner", chosen: Boolean(chosen && one.ring === chosen.ring && one.at === chosen.at) }));
  map.getSource("corners").setData(collection(corners));
}

const layers = (tone) => ({
  edits: true,
  sources: { drawn: { type: "geojson", data: collection([]) }, corners: { type: "geojson", data: collection([]) } },
  layers: [
    { id: "drawn-fill", type: "fill", source: "drawn", filter: ["!=", ["geometry-type"], "LineString"], paint: { "fill-color": tone.ochre, "fill-opacity": 0.12 } },
    { id: "drawn-line", type: "line", source: "drawn", paint: { "line-color": tone.ochre, "line-width": 3 } },
    { id: "halves", type: "circle", source: "corners", filter: ["==", ["get", "kind"], "half"], paint: { "circle-radius": 4, "circle-color": tone.card, "circle-stroke-color": tone.ochre, "circle-stroke-width": 1.5 } },
    {
      id: "corners", type: "circle", source: "corners", filter: ["==", ["get", "kind"], "corner"],
      paint: { "circle-radius": ["case", ["get", "chosen"], 10, 7], "circle-color": ["case", ["get", "chosen"], tone.ochre, tone.card], "circle-stroke-color": tone.ochre, "circle-stroke-width": 2.5 },
    },
  ],
});

// Mouse and finger ---------------------------------------------------------------------------------------------------

/** The corner, or the middle between two, that lies under a point of the screen. */
function under(at) {
  let best = null;
  let nearest = REACH;
  for (const one of shown) {
    const there = map.project(one.place);
    const away = Math.hypot(there.x - at.x, there.y - at.y) + (one.at === undefined ? 3 : 0);
    if (away < nearest) [best, nearest] = [one, away];
  }
  return best;
}

function grab(event) {
  if (drawing || (event.points && event.points.length > 1)) return;
  const one = under(event.point);
  if (!one) return;
  event.preventDefault(); // the map itself stays where it is
  keep();
  if (one.at === undefined) {
    rings[one.ring].at.splice(one.after + 1, 0, [event.lngLat.lng, event.lngLat.lat]);
    chosen = { ring: one.ring, at: one.after + 1 };
  } else chosen = { ring: one.ring, at: one.at };
  drag = { moved: one.at === undefined };
  redraw();
}

function pull(event) {
  if (!drag) {
    if (!event.points) map.getCanvas().style.cursor = drawing ? "crosshair" : under(event.point) ? "move" : "";
    return;
  }
  drag.moved = true;
  rings[chosen.ring].at[chosen.at] = [event.lngLat.lng, event.lngLat.lat];
  redraw();
}

function drop() {
  if (!drag) return;
  if (!drag.moved) past.pop();
  drag = null;
  changed(cornerWords());
}

function pressed(event) {
  if (!drawing) return;
  const first = drawing[0] && map.project(drawing[0]);
  if (first && drawing.length > 2 && Math.hypot(first.x - event.point.x, first.y - event.point.y) < REACH) {
    rings = [{ part: 0, at: drawing }];
    drawing = null;
    chosen = { ring: 0, at: 0 };
    changed(sayIt("closed"));
    return;
  }
  drawing.push([event.lngLat.lng, event.lngLat.lat]);
  redraw();
}

// Buttons and keys ---------------------------------------------------------------------------------------------------

const all = () => rings.flatMap((ring, r) => ring.at.map((_, i) => ({ ring: r, at: i })));
const cornerWords = () => {
  const list = all();
  const i = chosen ? list.findIndex((one) => one.ring === chosen.ring && one.at === chosen.at) : -1;
  return sayIt("corner", { n: number(i + 1), all: number(list.length) });
};

function choose(step) {
  const list = all();
  if (!list.length) return;
  const i = chosen ? list.findIndex((one) => one.ring === chosen.ring && one.at === chosen.at) : -1;
  chosen = list[(i + step + list.length) % list.length];
  const at = rings[chosen.ring].at[chosen.at];
  if (!map.getBounds().contains(at)) map.jumpTo({ center: at });
  redraw();
  say(cornerWords());
}

function move(x, y) {
  if (!chosen) return say(sayIt("none"));
  keep();
  const ring = rings[chosen.ring].at;
  const there = map.project(ring[chosen.at]);
  const moved = map.unproject([there.x + x, there.y + y]);
  ring[chosen.at] = [moved.lng, moved.lat];
  changed();
}

const tools = {
  previous: () => choose(-1),
  next: () => choose(1),
  add: () => {
    if (!chosen) return say(sayIt("none"));
    keep();
    const ring = rings[chosen.ring].at;
    ring.splice(chosen.at + 1, 0, middle(ring[chosen.at], ring[(chosen.at + 1) % ring.length]));
    chosen = { ring: chosen.ring, at: chosen.at + 1 };
    changed(cornerWords());
  },
  remove: () => {
    if (!chosen) return say(sayIt("none"));
    const ring = rings[chosen.ring].at;
    if (ring.length <= 3) return say(sayIt("least"));
    keep();
    ring.splice(chosen.at, 1);
    chosen = { ring: chosen.ring, at: Math.min(chosen.at, ring.length - 1) };
    changed(sayIt("removed"));
  },
  undo: () => {
    drawing = null;
    const before = past.pop();
    if (before) rings = JSON.parse(before);
    chosen = null;
    changed(before ? sayIt("undone") : "");
  },
  draw: () => {
    keep();
    drawing = [];
    chosen = null;
    redraw();
    say(sayIt("draw"));
  },
};

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "z") { event.preventDefault(); tools.undo(); }
    return;
  }
  const arrow = ARROWS[event.key];
  const step = event.shiftKey ? 1 : STEP;
  if (arrow) move(arrow[0] * step, arrow[1] * step);
  else if (event.key === "Delete" || event.key === "Backspace") tools.remove();
  else if (event.key === "Insert") tools.add();
  else if (event.key === "PageDown") choose(1);
  else if (event.key === "PageUp") choose(-1);
  else return;
  event.preventDefault();
}

async function begin() {
  const drawn = await draw(layers);
  map = drawn.map;
  read(config.drawn ?? drawn.told.place.geometry);
  field.value = rings.length ? JSON.stringify(outline()) : "";
  map.doubleClickZoom.disable();
  for (const [name, act] of [["mousedown", grab], ["touchstart", grab], ["mousemove", pull], ["touchmove", pull], ["mouseup", drop], ["touchend", drop], ["touchcancel", drop], ["click", pressed], ["moveend", redraw], ["qala.redrawn", () => map.once("styledata", redraw)]]) map.on(name, act);
  window.addEventListener("mouseup", drop);
  for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => tools[button.dataset.tool]());
  box.addEventListener("keydown", key);
  redraw();
  document.getElementById("border-editor").dataset.ready = "";
}

form.addEventListener("change", (event) => {
  if (event.target.type === "file" && event.target.files.length) field.value = ""; // the file speaks then
});

begin().catch(failed);
