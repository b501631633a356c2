// The base map under the vehicles: Natural Earth offline, OpenStreetMap's streets from an archive, or any
// style by URL.
import { PMTiles, Protocol } from "pmtiles";
import { MAX_ZOOM, addGraticule, retryFailed, tile } from "./basemap-atlas.js";
import { dark as darkColors, light as lightColors } from "./basemap-colors.js";
import { SCHEMA, streetNames, streetShapes } from "./basemap-streets.js";
import { worldNames, worldShapes } from "./basemap-world.js";

/** @import { ExpressionSpecification, LayerSpecification } from "maplibre-gl" */
/** @import { Map as MapLibreMap, StyleSpecification } from "maplibre-gl" */
/** @import { Header } from "pmtiles" */

/**
 * The hub's settings of the map.
 * @typedef {object} Config
 * @property {string} lib the prefix of the data's URLs, such as "/lib/<hash>/"
 * @property {string | null} style a MapLibre style to use instead
 * @property {string | null} pmtiles an archive with streets
 * @property {(message: string) => void} [report] receives failures to load, as text for the reader
 */

export { addGraticule };

const NATURAL_EARTH = '<a href="https://www.naturalearthdata.com/" target="_blank">Natural Earth</a>';
const SIMPLEMAPS =
	'<a href="https://simplemaps.com/data/world-cities" target="_blank">SimpleMaps</a> ' +
	'(<a href="https://creativecommons.org/licenses/by/4.0/" target="_blank">CC BY 4.0</a>)';
const OPENSTREETMAP =
	'<a href="https://www.openstreetmap.org/copyright" target="_blank">© OpenStreetMap contributors</a>';

/** The scheme of the sources' URLs, that MapLibre loads through this module. */
const SCHEME = "atlas";
/** PMTiles' tile types. */
const VECTOR = new Set([1, 6]),
	RASTER = new Set([2, 3, 4, 5]);
/**
 * The least pixels of an archive's extent. At smaller zooms its tiles would be patches on the world.
 */
const MIN_EXTENT = 300;

/** Whether a tile was left out because its file could not be loaded. */
let tileFailed = false;

/** Archives stay open from one style to the next. @type {Protocol | undefined} */
let archives;

/**
 * The style that the hub is configured for. It never fails: without data it has the background and reports
 * why.
 * @param {Pick<typeof import("maplibre-gl"), "addProtocol">} maplibregl
 * @param {Config} config
 * @param {boolean} dark
 * @returns {Promise<StyleSpecification | string>}
 */
export async function baseStyle(maplibregl, config, dark) {
	if (config.style) return config.style;
	const { lib, report = () => {} } = config;
	register(maplibregl, report);
	if (config.pmtiles) {
		const url = new URL(config.pmtiles, document.baseURI).href;
		try {
			return streets({ ...(await pmtilesSource(url)), lib, dark, report });
		} catch (error) {
			report(`The street map could not be read, so the world is shown: ${messageOf(error)}`);
		}
	}
	return naturalEarth({ lib, dark });
}

/**
 * Registers the protocols through which MapLibre loads the sources.
 * @param {Pick<typeof import("maplibre-gl"), "addProtocol">} maplibregl
 * @param {(message: string) => void} [report]
 */
function register(maplibregl, report = () => {}) {
	archives ??= new Protocol();
	maplibregl.addProtocol("pmtiles", archives.tile);
	retryFailed();
	tileFailed = false;
	maplibregl.addProtocol(SCHEME, async ({ url }) => {
		const [lib, z, x, y] = url.slice(`${SCHEME}://`.length).split("/");
		try {
			return { data: await tile(decodeURIComponent(lib), Number(z), Number(x), Number(y)) };
		} catch (error) {
			if (!tileFailed) report(`The base map could not be loaded: ${messageOf(error)}`);
			tileFailed = true;
			return { data: new ArrayBuffer(0) };
		}
	});
}

/** Closes all archives, which may have cached a broken file. */
export function closeArchives() {
	archives = undefined;
}

/**
 * Opens an archive and reads its header and metadata for `streets`.
 * @param {string} url absolute
 */
async function pmtilesSource(url) {
	archives ??= new Protocol();
	const archive = archives.get(url) ?? new PMTiles(url);
	const [header, metadata] = [await archive.getHeader(), await archive.getMetadata()];
	archives.add(archive);
	return { url, header, metadata: /** @type {Record<string, any>} */ (metadata) };
}

/**
 * The world offline: Natural Earth's outlines, SimpleMaps' places.
 * @param {{ lib: string, dark: boolean }} options
 * @returns {StyleSpecification}
 */
export function naturalEarth({ lib, dark }) {
	const colors = dark ? darkColors : lightColors;
	return {
		version: 8,
		name: "Natural Earth",
		sources: worldSources(lib),
		layers: [...worldShapes(colors), ...worldNames(colors)],
	};
}

/**
 * Streets from an archive, and the world outside of it.
 * @param {{ url: string, metadata: Record<string, any>, header: Header, dark: boolean, lib: string, report?:
 *   (message: string) => void }} options
 * @returns {StyleSpecification}
 */
export function streets({ url, metadata, header, dark, lib, report = () => {} }) {
	const colors = dark ? darkColors : lightColors;
	const { minLon, minLat, maxLon, maxLat } = header;
	const from = Math.min(
		header.maxZoom,
		Math.max(
			header.minZoom,
			Math.ceil(Math.log2((MIN_EXTENT / 512) * (360 / Math.max(maxLon - minLon, 1e-6)))),
		),
	);
	const attribution = metadata?.attribution || OPENSTREETMAP;
	const source = { url: `pmtiles://${url}`, attribution };
	/** @type {StyleSpecification} */
	const style = { version: 8, name: "Streets", sources: worldSources(lib), layers: [] };
	if (RASTER.has(header.tileType)) {
		style.sources.streets = { type: "raster", tileSize: 256, ...source };
		style.layers = [
			...worldShapes(colors),
			raster(from, dark),
			...worldNames(colors, belowOrOutside(from, header)),
		];
		return style;
	}
	const layers = layersOf(metadata);
	if (!VECTOR.has(header.tileType) || (layers.length && !SCHEMA.every((id) => layers.includes(id)))) {
		const found = layers.join(", ") || "an unknown tile type";
		const schema = `The archive's tiles are not in Protomaps' basemap schema (it has ${found})`;
		report(`${schema}, so the world is shown.`);
		return naturalEarth({ lib, dark });
	}
	style.sources.streets = { type: "vector", ...source, ...(header.tileType === 6 && { encoding: "mlt" }) };
	style.layers = [
		...worldShapes(colors),
		...streetShapes(colors, "streets", from),
		...worldNames(colors, belowOrOutside(from, header)),
		...streetNames(colors, "streets", from, within(header)),
	];
	return style;
}

/**
 * Switches a map between light and dark without loading anything.
 * @param {MapLibreMap} map
 * @param {StyleSpecification | string} style of `baseStyle`, with the other darkness
 * @returns {boolean} false if the layers differ; then call `map.setStyle(style)`
 */
export function repaint(map, style) {
	if (typeof style === "string" || !style.layers.every(({ id }) => map.getLayer(id))) return false;
	for (const { id, paint = {} } of /** @type {{ id: string, paint?: Record<string, any> }[]} */ (
		style.layers
	))
		for (const [key, value] of Object.entries(paint))
			map.setPaintProperty(id, /** @type {any} */ (key), value, { validate: false });
	return true;
}

/** @param {string} lib @returns {StyleSpecification["sources"]} */
function worldSources(lib) {
	return {
		atlas: {
			type: "vector",
			tiles: [`${SCHEME}://${encodeURIComponent(lib)}/{z}/{x}/{y}`],
			minzoom: 0,
			maxzoom: MAX_ZOOM,
			attribution: `${NATURAL_EARTH} | ${SIMPLEMAPS}`,
		},
		grid: { type: "geojson", data: { type: "FeatureCollection", features: [] } },
	};
}

/** @param {number} from @param {boolean} dark @returns {LayerSpecification} */
function raster(from, dark) {
	return {
		id: "raster",
		type: "raster",
		source: "streets",
		minzoom: from,
		paint: dark
			? { "raster-brightness-max": 0.7, "raster-saturation": -0.5 }
			: { "raster-saturation": -0.25 },
	};
}

/** @param {Header} header @returns {ExpressionSpecification} */
function within({ minLon: w, minLat: s, maxLon: e, maxLat: n }) {
	return [
		"within",
		{
			type: "Polygon",
			coordinates: [
				[
					[w, s],
					[e, s],
					[e, n],
					[w, n],
					[w, s],
				],
			],
		},
	];
}

/**
 * A filter for places outside of the archive.
 * @param {number} from
 * @param {Header} header
 * @returns {ExpressionSpecification}
 */
function belowOrOutside(from, header) {
	return ["any", ["<", ["zoom"], from], ["!", within(header)]];
}

/**
 * The vector layers in an archive's metadata. Older archives list them in their statistics.
 * @param {Record<string, any>} metadata
 * @returns {string[]}
 */
function layersOf(metadata) {
	return (metadata?.vector_layers ?? [])
		.map((/** @type {any} */ l) => l.id)
		.concat((metadata?.tilestats?.layers ?? []).map((/** @type {any} */ l) => l.layer))
		.filter(
			(/** @type {string} */ id, /** @type {number} */ i, /** @type {string[]} */ all) =>
				all.indexOf(id) === i,
		);
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));
