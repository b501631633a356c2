// The base map's own data: the graticule, and tiles from two files. The finer file loads when the map zooms
// in.
import { GRID_ZOOM } from "./basemap-world.js";

/** @import { GeoJSONSource, Map as MapLibreMap } from "maplibre-gl" */
/** @import { Feature, FeatureCollection, Position } from "geojson" */
/** @typedef {(z: number, x: number, y: number) => ArrayBuffer} Tiles returns no bytes for open sea */

const NATURAL_EARTH = '<a href="https://www.naturalearthdata.com/" target="_blank">Natural Earth</a>';
const SIMPLEMAPS =
	'<a href="https://simplemaps.com/data/world-cities" target="_blank">SimpleMaps</a> ' +
	'(<a href="https://creativecommons.org/licenses/by/4.0/" target="_blank">CC BY 4.0</a>)';
/** HTML that names the data's sources. */
export const ATTRIBUTION = `${NATURAL_EARTH} | ${SIMPLEMAPS}`;

/** The zoom of the finest tiles. */
export const MAX_ZOOM = 5;
/** The zoom from which tiles are in the detail file. */
const DETAIL_ZOOM = 4;

/** Files by URL. @type {Map<string, Promise<Tiles>>} */
const files = new Map();

/**
 * A tile of the base map, in a buffer that the worker may keep.
 * @param {string} lib the prefix of the data's URLs
 * @param {number} z @param {number} x @param {number} y
 * @returns {Promise<ArrayBuffer>}
 */
export async function tile(lib, z, x, y) {
	return (await open(`${lib}atlas-${z < DETAIL_ZOOM ? "world" : "detail"}.bin`))(z, x, y);
}

/** Drops the files that failed, so that the next tile loads them again. */
export function retryFailed() {
	for (const [url, file] of files) file.catch(() => files.delete(url));
}

/** @param {string} url */
function open(url) {
	let file = files.get(url);
	if (!file) files.set(url, (file = load(url)));
	return file;
}

/**
 * Reads a file of build/basemap.mjs, which documents the format.
 * @param {string} url
 * @returns {Promise<Tiles>}
 */
async function load(url) {
	const response = await fetch(url);
	if (!response.ok) throw new Error(`${url} was answered with ${response.status}`);
	const bytes = await response.arrayBuffer();
	const head = new DataView(bytes).getUint32(0, true);
	/** @type {number[]} */
	const index = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, head)));
	/** @type {Map<string, [number, number]>} */
	const spans = new Map();
	for (let i = 0, start = 4 + head; i < index.length; start += index[i + 3], i += 4)
		spans.set(index.slice(i, i + 3).join(), [start, start + index[i + 3]]);
	return (z, x, y) => bytes.slice(...(spans.get([z, x, y].join()) ?? [0, 0]));
}

/**
 * Keeps a graticule under the view, also after each `setStyle`. It gives empty land scale and motion.
 * @param {MapLibreMap} map
 * @returns {() => void} stops it
 */
export function addGraticule(map) {
	const draw = () => {
		const source = /** @type {GeoJSONSource | undefined} */ (map.getSource("grid"));
		if (!source || map.getZoom() < GRID_ZOOM) return;
		const b = map.getBounds();
		const grid = graticule([b.getWest(), b.getSouth(), b.getEast(), b.getNorth()], map.getZoom());
		const before = /** @type {{ key?: string }} */ (source.serialize().data);
		if (before.key !== grid.key) source.setData(grid);
	};
	const events = /** @type {const} */ (["moveend", "styledata", "load"]);
	for (const event of events) map.on(event, draw);
	draw();
	return () => {
		for (const event of events) map.off(event, draw);
	};
}

/**
 * The graticule around the view: a line every 60 px or more, about each fifth stronger. It covers only the
 * view, because the whole world would need a million lines.
 * @param {import("./viewport.js").Box} bounds
 * @param {number} zoom
 * @returns {FeatureCollection & { key: string }} the key identifies its lines
 */
export function graticule([w, s, e, n], zoom) {
	const degrees = (60 * 360) / (512 * 2 ** zoom);
	const step = STEPS.find((step) => step >= degrees) ?? 10;
	const strong = step * (String(step).includes("2") ? 5 : String(step).includes("5") ? 4 : 10);
	const [dx, dy] = [(e - w) / 2, (n - s) / 2]; // half a view more on each side
	const [west, south] = [w - dx, Math.max(-85, s - dy)].map((d) => Math.floor(d / strong) * strong);
	const [east, north] = [e + dx, Math.min(85, n + dy)].map((d) => Math.ceil(d / strong) * strong);
	/** @type {Feature[]} */
	const features = [];
	/** @param {number} at @param {Position[]} coordinates */
	const add = (at, coordinates) =>
		features.push({
			type: "Feature",
			geometry: { type: "LineString", coordinates },
			properties: { strong: Math.abs(at / strong - Math.round(at / strong)) < 1e-6 },
		});
	for (let i = 0, x = west; x <= east; x = west + ++i * step)
		add(x, [
			[x, south],
			[x, north],
		]);
	for (let i = 0, y = south; y <= north; y = south + ++i * step)
		add(y, [
			[west, y],
			[east, y],
		]);
	return { type: "FeatureCollection", features, key: [step, west, east, south, north].join() };
}

/** @type {readonly number[]} degrees from line to line */
const STEPS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
