/*
 * The base map: real streets and water behind the city's own shapes, from this very server.
 *
 * base (or null): {"kind": "vector", "tiles": "/map/tiles/{z}/{x}/{y}.mvt?v=…", "minzoom", "maxzoom", "layers": [names], "attribution"}
 *             or {"kind": "geojson", "url": "/map/base.geojson?v=…", "attribution"}
 *
 * Vector tiles come in the schemas of Protomaps, OpenMapTiles and Shortbread; what a file has of these is drawn, quietly.
 */
import { words } from "./format.js";

const LINE = { "line-cap": "round", "line-join": "round" };
const FONT = ["system-ui", "sans-serif"];
const POLYGON = ["match", ["geometry-type"], ["Polygon", "MultiPolygon"], true, false];
const CURVE = ["match", ["geometry-type"], ["LineString", "MultiLineString"], true, false];
/* what a feature is, by the names that the schemas give it */
const KIND = ["coalesce", ["get", "class"], ["get", "kind"], ["get", "pmap:kind"], ""];
const DETAIL = ["coalesce", ["get", "kind_detail"], ["get", "pmap:kind_detail"], ["get", "subclass"], ""];
const MAJOR = ["motorway", "trunk", "primary", "highway", "major_road", "motorway_link", "trunk_link", "major"];
const MIDDLE = ["secondary", "tertiary", "medium_road", "street"];
const RAIL = ["rail", "transit", "railway", "light_rail", "subway", "tram"];
const GREEN = ["park", "forest", "wood", "grass", "garden", "cemetery", "nature_reserve", "national_park", "recreation_ground", "meadow", "scrub", "pitch", "farmland", "orchard", "vineyard", "golf_course", "protected_area"];
const AREAS = { water: ["water", "ocean", "water_polygons"], green: ["landuse", "landcover", "park", "land", "sites", "natural"], building: ["building", "buildings"] };
const LINES = { water: ["waterway", "water_lines", "physical_line"], street: ["roads", "transportation", "streets", "transit"] };
const NAMES = ["roads", "transportation_name", "street_labels"];

const has = (values) => ["match", KIND, values, true, ["match", DETAIL, values, true, false]];
const width = (factor) => ["interpolate", ["exponential", 1.5], ["zoom"], 8, 0.3 * factor, 13, 1.2 * factor, 18, 9 * factor];

function paintedLine(id, source, layer, filter, tone, factor, more = {}) {
  return { id, type: "line", source, ...(layer ? { "source-layer": layer } : {}), filter, layout: LINE, paint: { "line-color": tone, "line-width": width(factor), ...more } };
}

function paintedArea(id, source, layer, filter, tone, opacity) {
  return { id, type: "fill", source, ...(layer ? { "source-layer": layer } : {}), filter, paint: { "fill-color": tone, "fill-opacity": opacity } };
}

function vectorLayers(base, tones) {
  const known = new Set(base.layers);
  const of = (names) => names.filter((name) => known.has(name));
  const layers = [];
  for (const name of of(AREAS.green)) layers.push(paintedArea(`base-green-${name}`, "base", name, ["all", POLYGON, has(GREEN)], tones.leaf, 0.1));
  for (const name of of(AREAS.water)) layers.push(paintedArea(`base-water-${name}`, "base", name, POLYGON, tones.sky, 0.25));
  for (const name of of(LINES.water)) layers.push(paintedLine(`base-river-${name}`, "base", name, CURVE, tones.sky, 0.7, { "line-opacity": 0.4 }));
  if (known.has("water")) layers.push(paintedLine("base-river-water", "base", "water", CURVE, tones.sky, 0.7, { "line-opacity": 0.4 }));
  for (const name of of(AREAS.building)) layers.push({ ...paintedArea(`base-building-${name}`, "base", name, POLYGON, tones.control, 0.14), minzoom: 14 });
  for (const name of of(LINES.street)) {
    layers.push({ ...paintedLine(`base-street-${name}`, "base", name, ["all", CURVE, ["!", has([...MAJOR, ...MIDDLE, ...RAIL])]], tones.line, 0.7), minzoom: 12 });
    layers.push(paintedLine(`base-middle-${name}`, "base", name, ["all", CURVE, has(MIDDLE)], tones.line, 1));
    layers.push(paintedLine(`base-rail-${name}`, "base", name, ["all", CURVE, has(RAIL)], tones.control, 0.4, { "line-dasharray": [3, 2], "line-opacity": 0.6 }));
    layers.push(paintedLine(`base-major-${name}`, "base", name, ["all", CURVE, has(MAJOR)], tones.control, 1.1, { "line-opacity": 0.55 }));
  }
  for (const name of of(NAMES)) layers.push(streetNames(`base-names-${name}`, name, tones));
  return layers;
}

function geojsonLayers(tones) {
  const kind = (name) => ["==", ["get", "kind"], name];
  return [
    paintedArea("base-green", "base", null, ["all", POLYGON, kind("green")], tones.leaf, 0.1),
    paintedArea("base-water", "base", null, ["all", POLYGON, kind("water")], tones.sky, 0.25),
    { ...paintedArea("base-building", "base", null, ["all", POLYGON, kind("building")], tones.control, 0.14), minzoom: 14 },
    paintedLine("base-river", "base", null, ["all", CURVE, kind("water")], tones.sky, 0.7, { "line-opacity": 0.4 }),
    { ...paintedLine("base-street", "base", null, kind("street"), tones.line, 0.7), minzoom: 11 },
    paintedLine("base-middle", "base", null, kind("middle"), tones.line, 1),
    paintedLine("base-rail", "base", null, kind("rail"), tones.control, 0.4, { "line-dasharray": [3, 2], "line-opacity": 0.6 }),
    paintedLine("base-major", "base", null, kind("major"), tones.control, 1.1, { "line-opacity": 0.55 }),
    streetNames("base-names", null, tones),
  ];
}

function streetNames(id, layer, tones) {
  return {
    id, type: "symbol", source: "base", ...(layer ? { "source-layer": layer } : {}), minzoom: 14, filter: CURVE,
    layout: {
      "symbol-placement": "line", "text-font": FONT, "text-size": 11,
      "text-field": ["coalesce", ["get", `name:${words.language ?? "en"}`], ["get", `name_${words.language ?? "en"}`], ["get", "name"], ""],
    },
    paint: { "text-color": tones.soft, "text-halo-color": tones.card, "text-halo-width": 1.4 },
  };
}

/** The sources and the layers of a base map, for the bottom of a style; nothing where there is none. */
export function baseMap(base, tones) {
  if (!base) return { sources: {}, layers: [] };
  const absolute = (path) => new URL(path, location.origin).href.replaceAll("%7B", "{").replaceAll("%7D", "}");
  const source = base.kind === "vector"
    ? { type: "vector", tiles: [absolute(base.tiles)], minzoom: base.minzoom, maxzoom: base.maxzoom, attribution: base.attribution }
    : { type: "geojson", data: absolute(base.url), attribution: base.attribution };
  return { sources: { base: source }, layers: base.kind === "vector" ? vectorLayers(base, tones) : geojsonLayers(tones) };
}
