/*
 * The console's map: the city's own shapes, one theme at a time, and a list beside it that says the same.
 *
 * <script type="application/json" id="map-config">:
 *   {"ground": [{"key", "title", "url"}], "themes": [{"key", "title", "url"}], "tiles": "https://…/{z}/{x}/{y}.png" | "", "attribution": "…", "base": see basemap.js}
 *
 * A layer's URL answers a GeoJSON FeatureCollection. Of a feature it reads
 *   id               (or properties.key, .id) what the list, the map and the address bar know it by
 *   geometry         polygons, lines or points; null where the feature is a ground area of the same id (a district)
 *   properties.name  what it is called                       .label  [lon, lat] where its name is written
 *              .value  number for the colour of an area       .text   its value in words (else the number and the unit)
 *              .state  ok | warn | bad | info | mute          .word   the state in words
 *              .url    the thing's own page                   .facts  [[title, text], …] shown when it is picked
 *              .kind   of ground lines: "river" or "water", else a street
 *              .count  how many things a point stands for   .bad    how many of them are in the worst state
 * and of the collection (all optional)
 *   unit, title, period    for the legend: what the colours mean, in which unit, of which time
 *   states                 {"bad": "silent", …}: words of the states; order of the legend
 *   attribution            shown on the map
 *   partial                another view (?bounds=west,south,east,north) has another answer
 *
 * The address bar holds theme ("ground" for none), pick and place (zoom/latitude/longitude), so a view can be sent to somebody.
 */
import * as maplibre from "../vendor/maplibre/maplibre-gl.mjs";
import { baseMap } from "./basemap.js";
import { announce, colour, count, el, icon, number, say, unit, withUnit, words } from "./format.js";

const page = document.getElementById("map-page");
const config = JSON.parse(document.getElementById("map-config").textContent);
const $ = (id) => document.getElementById(id);
const MOST_ROWS = 50;
const CLASSES = 5;
const STATES = ["bad", "warn", "info", "ok", "mute"];
const TOKENS = { ok: "leaf", warn: "ochre", bad: "apple", info: "sky", mute: "soft" };
const FONT = ["system-ui", "sans-serif"];
const RING = 0.1; // share of a cluster's points in the worst state from which it gets a ring
const EMPTY = { type: "FeatureCollection", features: [] };

const state = {
  address: new URLSearchParams(location.search),
  ground: { ...EMPTY },
  data: null, // the theme's answer, its features with ids
  theme: null,
  pick: null,
  search: "",
  breaks: [],
};
let map = null;
let tones = {};

const idOf = (feature) => String(feature.id ?? feature.properties?.key ?? feature.properties?.id ?? "");

async function ask(url) {
  const answer = await fetch(url, { headers: { Accept: "application/geo+json, application/json" } });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const found = await answer.json();
  for (const feature of found.features) {
    feature.properties = { ...feature.properties, id: idOf(feature) };
    delete feature.id; // MapLibre keeps whole numbers only; ours are words
  }
  return found;
}

const isArea = (feature) => /Polygon$/.test(feature.geometry?.type ?? "");
const isPoint = (feature) => feature.geometry?.type === "Point";
const areas = () => state.ground.features.filter(isArea);

/** A theme's features, those without a shape laid upon the ground's areas. */
function laid(data) {
  const shapes = new Map(areas().map((area) => [area.properties.id, area]));
  return data.features.flatMap((feature) => {
    if (feature.geometry) return [feature];
    const area = shapes.get(feature.properties.id);
    return area ? [{ ...feature, geometry: area.geometry, properties: { ...area.properties, ...feature.properties } }] : [];
  });
}

function bounds(features) {
  const box = new maplibre.LngLatBounds();
  const walk = (at) => (typeof at[0] === "number" ? box.extend(at) : at.forEach(walk));
  for (const feature of features) if (feature.geometry) walk(feature.geometry.coordinates);
  return box;
}

/** Round steps that part the values into at most CLASSES classes. */
function breaksOf(values) {
  if (!values.length) return [];
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (low === high) return [low];
  const rough = (high - low) / CLASSES;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => Math.ceil(high / n) - Math.floor(low / n) <= CLASSES) ?? 10 * power;
  const steps = [];
  for (let at = Math.floor(low / step) * step; at < high || !steps.length; at += step) steps.push(Number(at.toPrecision(12)));
  return [...steps, Number((steps.at(-1) + step).toPrecision(12))];
}

// Drawing ------------------------------------------------------------------------------------------------------------

function readTones() {
  for (const token of ["paper", "card", "sunk", "line", "control", "ink", "soft", "brand", "on-brand", "apple", "ochre", "leaf", "sky", "hatch", "mute-tint", "ramp-1", "ramp-2", "ramp-3", "ramp-4", "ramp-5"]) {
    tones[token] = colour(token);
  }
}

/** A picture of one state, told apart by shape as well as by colour. */
function drawState(pen, name, size) {
  const r = size * 0.36;
  const c = size / 2;
  const corners = { bad: [8, Math.PI / 8], warn: [3, -Math.PI / 2], info: [4, Math.PI / 4], ok: [0, 0], mute: [4, 0] }[name];
  pen.beginPath();
  if (!corners[0]) pen.arc(c, c, r * 0.92, 0, 2 * Math.PI);
  else {
    const reach = name === "warn" ? r * 1.2 : r * 1.08;
    for (let i = 0; i < corners[0]; i += 1) {
      const angle = corners[1] + (i * 2 * Math.PI) / corners[0];
      pen.lineTo(c + reach * Math.cos(angle), c + (name === "warn" ? r * 0.15 : 0) + reach * Math.sin(angle));
    }
    pen.closePath();
  }
  pen.fillStyle = tones[TOKENS[name]];
  pen.strokeStyle = tones.card;
  pen.lineWidth = size / 14;
  pen.fill();
  pen.stroke();
}

function drawHatch(pen, size) {
  pen.fillStyle = tones.card;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = tones.hatch;
  pen.lineWidth = size / 8;
  for (const shift of [-size, 0, size]) {
    pen.beginPath();
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
    pen.stroke();
  }
}

function hatchTile() {
  const canvas = el("canvas", { width: "12", height: "12" });
  drawHatch(canvas.getContext("2d"), 12);
  return canvas;
}

function picture(size, draw) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d");
  draw(pen, size);
  return pen.getImageData(0, 0, size, size);
}

/** The whole style: rebuilt when theme, data or colours change, which is cheap and leaves nothing stale. */
function style() {
  const features = state.data ? laid(state.data) : [];
  const ramp = ["ramp-1", "ramp-2", "ramp-3", "ramp-4", "ramp-5"].map((token) => tones[token]);
  const fill = ["case", ["==", ["typeof", ["get", "value"]], "number"], classColour(ramp), tones.card];
  const picked = ["==", ["get", "id"], state.pick ?? ""];
  const many = ["any", ["has", "point_count"], ["has", "count"]];
  const total = ["coalesce", ["get", "sum"], ["get", "count"], 1];
  const ringed = [">=", ["/", ["coalesce", ["get", "bad"], 0], total], RING];
  const layers = [{ id: "ground", type: "background", paint: { "background-color": tones.sunk } }];
  const sources = {
    areas: { type: "geojson", data: { ...EMPTY, features: areas() } },
    lines: { type: "geojson", data: { ...EMPTY, features: state.ground.features.filter((one) => !isArea(one) && !isPoint(one)) } },
    labels: { type: "geojson", data: { ...EMPTY, features: areas().filter((one) => one.properties.label).map((one) => ({ type: "Feature", properties: one.properties, geometry: { type: "Point", coordinates: one.properties.label } })) } },
    themeAreas: { type: "geojson", data: { ...EMPTY, features: features.filter((one) => !isPoint(one)) } },
    themePoints: {
      type: "geojson", data: { ...EMPTY, features: features.filter(isPoint) }, cluster: true, clusterRadius: 44, clusterMaxZoom: 15,
      clusterProperties: { sum: ["+", ["coalesce", ["get", "count"], 1]], bad: ["+", ["case", ["has", "bad"], ["get", "bad"], ["==", ["get", "state"], "bad"], 1, 0]], warn: ["+", ["case", ["==", ["get", "state"], "warn"], 1, 0]] },
    },
    picked: { type: "geojson", data: pickedShape() },
  };
  if (config.tiles) {
    sources.tiles = { type: "raster", tiles: [config.tiles], tileSize: 256, attribution: config.attribution };
    layers.push({ id: "tiles", type: "raster", source: "tiles", paint: { "raster-opacity": 0.75 } });
  }
  const base = baseMap(config.base, tones);
  Object.assign(sources, base.sources);
  layers.push(...base.layers);
  const over = config.tiles || config.base ? 0.25 : 1;
  const line = { "line-cap": "round", "line-join": "round" };
  layers.push(
    { id: "areas", type: "fill", source: "areas", paint: { "fill-color": tones.card, "fill-opacity": over } },
    { id: "theme-areas", type: "fill", source: "themeAreas", filter: ["match", ["geometry-type"], ["Polygon", "MultiPolygon"], true, false], paint: { "fill-color": fill, "fill-opacity": config.tiles ? 0.8 : config.base ? 0.6 : 1 } },
    { id: "theme-none", type: "fill", source: "themeAreas", filter: ["all", ["match", ["geometry-type"], ["Polygon", "MultiPolygon"], true, false], ["!=", ["typeof", ["get", "value"]], "number"]], paint: { "fill-pattern": "hatch", "fill-opacity": 0.7 } },
    { id: "streets", type: "line", source: "lines", filter: ["match", ["get", "kind"], ["river", "water"], false, true], layout: line, paint: { "line-color": tones.line, "line-width": ["interpolate", ["linear"], ["zoom"], 9, 0.5, 14, 3] } },
    { id: "rivers", type: "line", source: "lines", filter: ["match", ["get", "kind"], ["river", "water"], true, false], layout: line, paint: { "line-color": tones.sky, "line-opacity": 0.45, "line-width": ["interpolate", ["linear"], ["zoom"], 9, 1, 14, 4] } },
    { id: "borders", type: "line", source: "areas", layout: line, paint: { "line-color": tones.control, "line-width": 1.2 } },
    { id: "theme-lines", type: "line", source: "themeAreas", filter: ["match", ["geometry-type"], ["LineString", "MultiLineString"], true, false], layout: line, paint: { "line-color": fill, "line-width": 4 } },
    { id: "picked-fill", type: "fill", source: "picked", filter: ["match", ["geometry-type"], ["Polygon", "MultiPolygon"], true, false], paint: { "fill-color": tones.brand, "fill-opacity": 0.12 } },
    { id: "picked-line", type: "line", source: "picked", layout: line, paint: { "line-color": tones.brand, "line-width": 3 } },
    {
      id: "names", type: "symbol", source: "labels",
      layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": ["interpolate", ["linear"], ["zoom"], 9, 11, 13, 15], "text-max-width": 7, "text-padding": 4 },
      paint: { "text-color": tones.ink, "text-halo-color": tones.card, "text-halo-width": 1.6 },
    },
    {
      id: "clusters", type: "circle", source: "themePoints", filter: many,
      paint: {
        "circle-color": tones.brand, "circle-opacity": 0.92,
        "circle-radius": ["interpolate", ["linear"], ["log10", total], 0, 12, 2, 17, 4.5, 28],
        "circle-stroke-width": ["case", ringed, 3, 1.5],
        "circle-stroke-color": ["case", ringed, tones.apple, tones.card],
      },
    },
    {
      id: "cluster-counts", type: "symbol", source: "themePoints", filter: many,
      layout: { "text-field": ["number-format", total, { locale: words.thousand === "," ? "en" : "ru" }], "text-font": FONT, "text-size": 12, "text-allow-overlap": true },
      paint: { "text-color": tones["on-brand"] },
    },
    {
      id: "points", type: "symbol", source: "themePoints", filter: ["!", many],
      layout: {
        "icon-image": ["concat", "state-", ["coalesce", ["get", "state"], "ok"]], "icon-allow-overlap": true,
        "icon-size": ["case", picked, 0.72, 0.5], "symbol-sort-key": ["match", ["get", "state"], "bad", 3, "warn", 2, 1],
      },
    },
    { id: "picked-point", type: "circle", source: "picked", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 14, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": tones.brand, "circle-stroke-width": 3 } },
  );
  return { version: 8, sources, layers };
}

function classColour(ramp) {
  const inner = state.breaks.slice(1, -1);
  const colours = spread(ramp, Math.max(state.breaks.length - 1, 1));
  return inner.length ? ["step", ["get", "value"], colours[0], ...inner.flatMap((at, i) => [at, colours[i + 1]])] : colours.at(-1);
}

/** n colours of the ramp, from its light to its strong end. */
function spread(ramp, n) {
  return Array.from({ length: n }, (_, i) => ramp[n === 1 ? 2 : Math.round((i * (ramp.length - 1)) / (n - 1))]);
}

function pickedShape() {
  const feature = state.pick && all().find((one) => one.properties.id === state.pick);
  return feature ? { ...EMPTY, features: [feature] } : EMPTY;
}

/** What the list and a pick may speak of: the theme's features, or the city's areas. */
const all = () => (state.data ? laid(state.data) : areas());

function redraw() {
  if (map) map.setStyle(style(), { diff: true });
  legend();
}

/** Draws the picture that the style asks for by name. */
function image(id) {
  const name = STATES.find((one) => id === `state-${one}`);
  if (id === "hatch") map.addImage(id, picture(16, drawHatch), { pixelRatio: 2 });
  else map.addImage(id, picture(56, (pen, size) => drawState(pen, name ?? "mute", size)));
}

function start() {
  maplibre.setWorkerUrl(page.dataset.worker);
  const kept = (state.address.get("place") ?? "").split("/").map(Number);
  const view = kept.length === 3 && kept.every(Number.isFinite) ? { zoom: kept[0], center: [kept[2], kept[1]] } : null;
  const box = bounds(areas().length ? areas() : all());
  map = new maplibre.Map({
    container: "map",
    style: style(),
    ...(view ?? (box.isEmpty() ? { center: [0, 20], zoom: 1 } : { bounds: box, fitBoundsOptions: { padding: 24 } })),
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    cooperativeGestures: false,
    maxZoom: 19,
    locale: { "Map.Title": say("map"), "NavigationControl.ZoomIn": say("zoom_in"), "NavigationControl.ZoomOut": say("zoom_out"), "AttributionControl.ToggleAttribution": say("sources") },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.AttributionControl({ compact: false, customAttribution: [state.ground.attribution, state.data?.attribution].filter(Boolean) }), "bottom-right");
  map.setMissingStyleImageResolver(image);
  map.on("error", (event) => console.warn(event.error?.message ?? event));
  map.on("moveend", () => {
    const at = map.getCenter();
    remember("place", `${map.getZoom().toFixed(2)}/${at.lat.toFixed(4)}/${at.lng.toFixed(4)}`);
    if (state.data?.partial) refresh();
    else if (state.data?.features.some(isPoint)) list();
  });
  map.once("load", () => {
    $("map-wait").hidden = true;
    page.dataset.ready = "";
    if (state.data?.partial) refresh();
  });
  map.on("click", clicked);
  for (const layer of ["areas", "theme-areas", "theme-lines", "points", "clusters"]) {
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
}

async function clicked(event) {
  const near = [[event.point.x - 6, event.point.y - 6], [event.point.x + 6, event.point.y + 6]];
  const [cluster] = map.queryRenderedFeatures(near, { layers: ["clusters"] });
  if (cluster && !cluster.properties.cluster) {
    pick(cluster.properties.id, { scroll: true });
    map.easeTo({ center: cluster.geometry.coordinates, zoom: Math.min(map.getZoom() + 2, 18) });
    return;
  }
  if (cluster) {
    const zoom = await map.getSource("themePoints").getClusterExpansionZoom(cluster.properties.cluster_id);
    map.easeTo({ center: cluster.geometry.coordinates, zoom: Math.min(zoom + 0.2, 18) });
    announce(count("cluster", cluster.properties.sum));
    return;
  }
  const [point] = map.queryRenderedFeatures(near, { layers: ["points"] });
  const [shape] = map.queryRenderedFeatures(event.point, { layers: state.data ? ["theme-lines", "theme-areas"] : ["areas"] });
  pick((point ?? shape)?.properties.id ?? null, { scroll: true });
}

// Words beside the map -----------------------------------------------------------------------------------------------

function valueText(feature) {
  const { value, text } = feature.properties;
  if (text) return text;
  return typeof value === "number" ? withUnit(number(value), state.data?.unit) : "";
}

function wordOf(feature) {
  const { state: name, word } = feature.properties;
  return name ? word ?? state.data?.states?.[name] ?? words.states?.[name] ?? "" : "";
}

function badge(feature) {
  const name = feature.properties.state;
  const word = wordOf(feature);
  if (!name || !word) return null;
  const icons = { ok: "circle-check", warn: "triangle-alert", bad: "octagon-x", info: "info", mute: "circle" };
  return el("span", { class: `badge ${name}` }, icon(icons[name] ?? "circle"), word);
}

function list() {
  const features = all();
  const points = features.some(isPoint);
  const wanted = state.search.trim().toLocaleLowerCase();
  const seen = points && map && !wanted ? map.getBounds() : null;
  const found = features.filter(
    (one) => (!wanted || [one.properties.name, one.properties.id, one.properties.text].some((text) => String(text ?? "").toLocaleLowerCase().includes(wanted)))
      && (!seen || !isPoint(one) || seen.contains(one.geometry.coordinates)),
  );
  const rank = (one) => STATES.indexOf(one.properties.state ?? "ok");
  found.sort((a, b) =>
    points
      ? rank(a) - rank(b) || (b.properties.count ?? 0) - (a.properties.count ?? 0) || String(a.properties.name).localeCompare(String(b.properties.name), words.language)
      : (b.properties.value ?? -Infinity) - (a.properties.value ?? -Infinity) || String(a.properties.name).localeCompare(String(b.properties.name), words.language),
  );
  const rows = found.slice(0, MOST_ROWS).map((feature) => {
    const { id, name } = feature.properties;
    const button = el(
      "button", { type: "button", "data-id": id, "aria-pressed": String(id === state.pick) },
      el("span", { class: "name" }, name || id), badge(feature) ?? el("span", { class: "value" }, valueText(feature) || (state.data && !points ? say("no_value") : "")),
    );
    return el("li", {}, button);
  });
  if (!rows.length) rows.push(el("li", { class: "soft" }, say(wanted ? "no_match" : "nothing_here")));
  const focused = document.activeElement?.dataset?.id;
  $("map-list").replaceChildren(...rows);
  if (focused) $("map-list").querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  $("map-list-head").hidden = features.length <= 12 || features.some((one) => one.properties.count);
  $("map-count").textContent = found.length > MOST_ROWS ? say("cut", { shown: number(MOST_ROWS), all: number(found.length) }) : count("shown", found.length);
}

function legend() {
  const place = $("map-legend");
  const data = state.data;
  place.replaceChildren();
  place.hidden = !data;
  if (!data) return;
  place.append(el("strong", {}, [data.title ?? state.theme.title, unit(data.unit)].filter(Boolean).join(", ")));
  if (data.period) place.append(el("span", { class: "soft" }, data.period));
  const items = el("ul");
  const key = (draw, text) => {
    const canvas = el("canvas", { width: "36", height: "36", "aria-hidden": "true" });
    draw(canvas.getContext("2d"), 36);
    items.append(el("li", {}, canvas, text));
  };
  const square = (tone) => (pen) => {
    pen.fillStyle = tone;
    pen.fillRect(2, 4, 32, 28);
    pen.strokeStyle = tones.control;
    pen.lineWidth = 1.5;
    pen.strokeRect(2, 4, 32, 28);
  };
  const features = laid(data);
  const classes = spread(["ramp-1", "ramp-2", "ramp-3", "ramp-4", "ramp-5"], Math.max(state.breaks.length - 1, 1));
  if (state.breaks.length === 1) key(square(tones["ramp-3"]), number(state.breaks[0]));
  else if (state.breaks.length) classes.forEach((token, i) => key(square(tones[token]), `${number(state.breaks[i])}–${number(state.breaks[i + 1])}`));
  if (features.some((one) => isArea(one) && typeof one.properties.value !== "number")) {
    key((pen) => {
      pen.save();
      pen.beginPath();
      pen.rect(2, 4, 32, 28);
      pen.clip();
      pen.fillStyle = pen.createPattern(hatchTile(), "repeat");
      pen.fillRect(0, 0, 36, 36);
      pen.restore();
    }, say("no_value"));
  }
  const present = new Map();
  for (const one of features) if (isPoint(one)) present.set(one.properties.state ?? "ok", wordOf(one) || present.get(one.properties.state) || "");
  const together = features.some((one) => one.properties.count);
  for (const name of Object.keys(data.states ?? {}).length ? Object.keys(data.states) : STATES) {
    if (present.has(name) && !together) key((pen, size) => drawState(pen, name, size), present.get(name) || data.states?.[name] || name);
  }
  const circle = (ring) => (pen) => {
    pen.beginPath();
    pen.arc(18, 18, 13, 0, 2 * Math.PI);
    pen.fillStyle = tones.brand;
    pen.strokeStyle = ring ? tones.apple : tones.card;
    pen.lineWidth = ring ? 5 : 2;
    pen.fill();
    pen.stroke();
  };
  if (together) key(circle(false), data.states?.ok ?? "");
  if (present.has("bad") && (together || features.length > 20)) {
    key(circle(true), together ? data.states.bad : say("cluster_bad", { word: present.get("bad") || data.states?.bad || "" }));
  }
  place.append(items);
  const known = features.filter((one) => isPoint(one) || typeof one.properties.value === "number").reduce((sum, one) => sum + (one.properties.count ?? 1), 0);
  if (known) place.append(el("span", { class: "soft" }, count("count", known)));
}

function panel() {
  const place = $("map-picked");
  const feature = state.pick && all().find((one) => one.properties.id === state.pick);
  place.hidden = !feature;
  place.className = "map-picked";
  place.replaceChildren();
  if (!feature) return;
  const { name, id, url, facts = [] } = feature.properties;
  const close = el("button", { type: "button", class: "button quiet square", "aria-label": say("close") }, icon("x"));
  close.addEventListener("click", () => {
    const row = $("map-list").querySelector(`[data-id="${CSS.escape(id)}"]`);
    pick(null);
    row?.focus();
  });
  place.append(el("div", { class: "head" }, el("strong", {}, name || id), close));
  const said = [badge(feature), valueText(feature)].filter(Boolean);
  if (said.length) place.append(el("div", { class: "row" }, ...said));
  if (facts.length) place.append(el("dl", { class: "facts" }, ...facts.flatMap(([title, text]) => [el("dt", {}, title), el("dd", {}, text)])));
  if (url) place.append(el("a", { href: url, class: "button" }, say("open"), icon("chevron-right")));
}

/** Picks a feature (or none) in map, list and address bar. */
function pick(id, { fly = false, scroll = false } = {}) {
  state.pick = id;
  remember("pick", id);
  panel();
  for (const button of $("map-list").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.id === id));
  const feature = id && all().find((one) => one.properties.id === id);
  if (map) {
    map.getSource("picked")?.setData(pickedShape());
    if (feature && fly) {
      if (isPoint(feature)) map.easeTo({ center: feature.geometry.coordinates, zoom: Math.max(map.getZoom(), 16) });
      else map.fitBounds(bounds([feature]), { padding: 48, maxZoom: 14 });
    }
  }
  if (feature) announce([feature.properties.name ?? id, wordOf(feature), valueText(feature)].filter(Boolean).join(", "));
  if (scroll && feature) $("map-picked").scrollIntoView({ block: "nearest" });
}

function remember(name, value) {
  if (value) state.address.set(name, value);
  else state.address.delete(name);
  const query = state.address.toString().replaceAll("%2F", "/");
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

async function choose(key, { keepPick = false } = {}) {
  const theme = config.themes.find((one) => one.key === key) ?? null;
  state.theme = theme;
  remember("theme", theme ? theme.key : "ground");
  for (const input of $("map-themes").querySelectorAll("input")) input.checked = input.value === (theme?.key ?? "");
  try {
    state.data = theme ? await ask(theme.url) : null;
  } catch (error) {
    console.error(error);
    state.data = null;
    announce(say("not_loaded"));
    $("map-list").replaceChildren(el("li", { class: "soft" }, say("not_loaded")));
    legend();
    return;
  }
  if (state.theme !== theme) return; // another one was chosen meanwhile
  const values = state.data ? state.data.features.map((one) => one.properties.value).filter((value) => typeof value === "number") : [];
  state.breaks = breaksOf(values);
  if (!keepPick && !all().some((one) => one.properties.id === state.pick)) state.pick = null;
  if (!keepPick) remember("pick", state.pick);
  redraw();
  list();
  panel();
}

/** Asks anew what the present view shows of a theme that is larger than one answer. */
async function refresh() {
  const theme = state.theme;
  const view = map.getBounds();
  const inside = (at, most) => Math.min(Math.max(at, -most), most).toFixed(4);
  const box = [inside(view.getWest(), 180), inside(view.getSouth(), 90), inside(view.getEast(), 180), inside(view.getNorth(), 90)].join(",");
  const wanted = `${theme.url}${theme.url.includes("?") ? "&" : "?"}bounds=${box}`;
  state.wanted = wanted;
  try {
    const found = await ask(wanted);
    if (state.wanted !== wanted || state.theme !== theme) return; // the view moved on
    state.data = found;
  } catch (error) {
    console.error(error);
    announce(say("not_loaded"));
    return;
  }
  redraw();
  list();
  panel();
}

function themes() {
  const place = $("map-themes");
  if (!config.themes.length) return;
  place.hidden = false;
  for (const theme of [{ key: "", title: say("ground_only") }, ...config.themes]) {
    const input = el("input", { type: "radio", name: "theme", value: theme.key });
    input.addEventListener("change", () => choose(theme.key));
    place.append(el("label", {}, input, theme.title));
  }
}

async function begin() {
  readTones();
  themes();
  const answers = await Promise.allSettled(config.ground.map((layer) => ask(layer.url)));
  const found = answers.filter((answer) => answer.status === "fulfilled").map((answer) => answer.value);
  state.ground = { ...EMPTY, features: found.flatMap((one) => one.features), attribution: found.map((one) => one.attribution).filter(Boolean).join(" · ") };
  state.pick = state.address.get("pick");
  const asked = state.address.get("theme") ?? config.themes[0]?.key ?? "ground";
  await choose(asked, { keepPick: true });
  try {
    start();
  } catch (error) {
    console.warn(error);
    $("map-wait").classList.add("failed");
    $("map-wait").lastElementChild.textContent = say("no_webgl");
  }
  list();
}

$("map-list").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) pick(button.dataset.id === state.pick ? null : button.dataset.id, { fly: true });
});
$("map-list").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = [...$("map-list").querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (!step || !next) return;
  event.preventDefault();
  next.focus();
});
$("map-search").addEventListener("input", (event) => {
  state.search = event.target.value;
  list();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.pick && !event.defaultPrevented) pick(null);
});
document.addEventListener("qala:theme", () => {
  readTones();
  if (map) for (const id of map.listImages()) map.removeImage(id);
  redraw();
});

begin();
