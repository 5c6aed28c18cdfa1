/*
 * A map of one place: its outline, its neighbours, the base map behind. For js/place.js and js/border.js.
 *
 * <script type="application/json" id="place-config">: {"shape": "…geojson", "code", "base": …, "drawn": geometry | null}
 * The shape's URL answers {"place": feature, "around": collection}.
 */
import * as maplibre from "../vendor/maplibre/maplibre-gl.mjs";
import { baseMap } from "./basemap.js";
import { colour, say } from "./format.js";

const FONT = ["system-ui", "sans-serif"];
const LINE = { "line-cap": "round", "line-join": "round" };
export const EMPTY = { type: "FeatureCollection", features: [] };
export const config = JSON.parse(document.getElementById("place-config").textContent);
export const box = document.getElementById("place-map");

function tones() {
  const found = {};
  for (const token of ["paper", "card", "sunk", "line", "control", "ink", "soft", "brand", "on-brand", "apple", "ochre", "leaf", "sky"]) found[token] = colour(token);
  return found;
}

export function boundsOf(geometry) {
  const found = new maplibre.LngLatBounds();
  const walk = (at) => (typeof at[0] === "number" ? found.extend(at) : at.forEach(walk));
  if (geometry) walk(geometry.coordinates);
  return found;
}

const feature = (geometry, properties = {}) => ({ type: "Feature", properties, geometry });
export const collection = (features) => ({ ...EMPTY, features });

function style(told, more, tone) {
  const base = baseMap(config.base, tone);
  const own = told.place.geometry ? [feature(told.place.geometry)] : [];
  const labels = told.around.features.map((one) => feature({ type: "Point", coordinates: one.properties.label }, one.properties));
  const added = more(tone);
  return {
    version: 8,
    sources: {
      ...base.sources,
      around: { type: "geojson", data: told.around },
      labels: { type: "geojson", data: collection(labels) },
      own: { type: "geojson", data: collection(own) },
      ...added.sources,
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": tone.sunk } },
      { id: "around-fill", type: "fill", source: "around", paint: { "fill-color": tone.card, "fill-opacity": config.base ? 0.2 : 1 } },
      ...base.layers,
      { id: "own-fill", type: "fill", source: "own", filter: ["!=", ["geometry-type"], "Point"], paint: { "fill-color": tone.brand, "fill-opacity": 0.14 } },
      { id: "around", type: "line", source: "around", layout: LINE, paint: { "line-color": tone.control, "line-width": 1.2 } },
      { id: "own-line", type: "line", source: "own", filter: ["!=", ["geometry-type"], "Point"], layout: LINE, paint: { "line-color": tone.brand, "line-width": added.edits ? 1.5 : 3, ...(added.edits ? { "line-dasharray": [3, 2] } : {}) } },
      { id: "own-point", type: "circle", source: "own", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 9, "circle-color": tone.brand, "circle-stroke-color": tone.card, "circle-stroke-width": 2 } },
      {
        id: "names", type: "symbol", source: "labels",
        layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 12, "text-max-width": 7 },
        paint: { "text-color": tone.soft, "text-halo-color": tone.card, "text-halo-width": 1.6 },
      },
      ...added.layers,
    ],
  };
}

/** Draws the map; `more(tones)` gives further sources and layers, which come on top. Resolves with map and answer. */
export async function draw(more = () => ({ sources: {}, layers: [] })) {
  const answer = await fetch(config.shape, { headers: { Accept: "application/geo+json, application/json" } });
  if (!answer.ok) throw new Error(`${config.shape}: ${answer.status}`);
  const told = await answer.json();
  maplibre.setWorkerUrl(box.dataset.worker);
  const found = boundsOf(config.drawn ?? told.place.geometry);
  const map = new maplibre.Map({
    container: box,
    style: style(told, more, tones()),
    ...(found.isEmpty() ? { center: told.place.properties.label, zoom: 11 } : { bounds: found, fitBoundsOptions: { padding: 32, maxZoom: 15 } }),
    attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false, maxZoom: 20, keyboard: !config.edit,
    locale: { "Map.Title": say("map"), "NavigationControl.ZoomIn": say("zoom_in"), "NavigationControl.ZoomOut": say("zoom_out"), "AttributionControl.ToggleAttribution": say("sources") },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.AttributionControl({ compact: false }), "bottom-right");
  map.on("error", (event) => console.warn(event.error?.message ?? event));
  document.addEventListener("qala:theme", () => {
    map.setStyle(style(told, more, tones()), { diff: true });
    map.fire("qala.redrawn");
  });
  await new Promise((resolve) => map.once("load", resolve));
  box.dataset.ready = "";
  return { map, told };
}

/** The page without a map: what it lacks is said, the rest works. */
export function failed(error) {
  console.warn(error);
  box.classList.add("failed");
  box.textContent = say(error instanceof TypeError || /webgl/i.test(String(error)) ? "no_webgl" : "not_loaded");
}
