// The base map under the vehicles: Natural Earth offline, OpenStreetMap's streets from an archive, or any
// style by URL.
import { PMTiles, Protocol } from "pmtiles";
import { TEXTS } from "../texts.js";
import { ATTRIBUTION, MAX_ZOOM, addGraticule, retryFailed, tile } from "./basemap-atlas.js";
import { dark as darkColors, light as lightColors } from "./basemap-colors.js";
import { SCHEMA, streetNames, streetShapes } from "./basemap-streets.js";
import { worldNames, worldShapes } from "./basemap-world.js";

/** @import { ExpressionSpecification, LayerSpecification } from "maplibre-gl" */
/** @import { Map as MapLibreMap, SourceSpecification, StyleSpecification } from "maplibre-gl" */
/** @import { Header } from "pmtiles" */

/**
 * The hub's settings of the map.
 * @typedef {object} Config
 * @property {string} lib the prefix of the data's URLs, such as "/lib/<hash>/"
 * @property {string | null} style a MapLibre style to use instead
 * @property {{zoom: number, lat: number, lon: number} | null} [view] where the map opens
 * @property {string[]} pmtiles archives with streets, the last on top
 * @property {(message: string) => void} [report] receives failures to load, as text for the reader
 */

export { addGraticule };

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

/**
 * An archive that can be drawn.
 * @typedef {object} Archive
 * @property {string} url absolute
 * @property {Header} header
 * @property {Record<string, any>} metadata
 */

/** West, south, east and north, in degrees. @typedef {[number, number, number, number]} Area */

/**
 * An archive in a style: its source, the zoom from which it is drawn, and its layers.
 * @typedef {object} Ground
 * @property {SourceSpecification} source
 * @property {LayerSpecification[]} shapes from the bottom up
 * @property {LayerSpecification[]} names from the least to the most important
 * @property {ExpressionSpecification} elsewhere a filter for places that the archive does not draw
 * @property {Area} area that the archive draws
 */

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
	const opened = await Promise.allSettled(
		config.pmtiles.map((path) => openArchive(new URL(path, document.baseURI).href)),
	);
	const archives = [];
	for (const [i, result] of opened.entries()) {
		if (result.status === "fulfilled") archives.push(result.value);
		else report(TEXTS.map.badArchive(config.pmtiles[i], messageOf(result.reason)));
	}
	return streets({ archives, lib, dark, report });
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
			if (!tileFailed) report(TEXTS.map.noBaseMap(messageOf(error)));
			tileFailed = true;
			return { data: new ArrayBuffer(0) };
		}
	});
}

/**
 * The areas in which a style draws streets. A style by URL has them everywhere.
 * @param {StyleSpecification | string} style of `baseStyle`
 * @returns {Area[]}
 */
export function streetAreas(style) {
	if (typeof style === "string") return [[-180, -90, 180, 90]];
	return /** @type {{ streets?: Area[] } | undefined} */ (style.metadata)?.streets ?? [];
}

/** Closes all archives, which may have cached a broken file. */
export function closeArchives() {
	archives = undefined;
}

/**
 * Opens an archive and reads its header and metadata.
 * @param {string} url absolute
 * @returns {Promise<Archive>}
 */
async function openArchive(url) {
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
 * Streets where an archive has them, and the world outside.
 * @param {{ archives: Archive[], dark: boolean, lib: string, report?: (message: string) => void }} options
 * @returns {StyleSpecification}
 */
export function streets({ archives, dark, lib, report = () => {} }) {
	const colors = dark ? darkColors : lightColors;
	/** @type {StyleSpecification} */
	const style = { version: 8, name: "Streets", sources: worldSources(lib), layers: [] };
	/** @type {Ground[]} */
	const grounds = [];
	for (const archive of archives) {
		const source = grounds.length === 0 ? "streets" : `streets-${grounds.length + 1}`;
		const ground = groundOf(archive, source, dark, report);
		if (!ground) continue;
		style.sources[source] = ground.source;
		grounds.push(ground);
	}
	if (grounds.length === 0) return naturalEarth({ lib, dark });
	style.layers = [
		...worldShapes(colors),
		...grounds.flatMap((ground) => ground.shapes),
		...worldNames(colors, ["all", ...grounds.map((ground) => ground.elsewhere)]),
		...grounds.flatMap((ground) => ground.names),
	];
	style.metadata = { streets: grounds.map((ground) => ground.area) };
	return style;
}

/**
 * @param {Archive} archive
 * @param {string} source
 * @param {boolean} dark
 * @param {(message: string) => void} report
 * @returns {Ground | undefined} undefined, and a report, if the archive's tiles are of another schema
 */
function groundOf({ url, metadata, header }, source, dark, report) {
	const colors = dark ? darkColors : lightColors;
	const from = firstZoom(header);
	const elsewhere = belowOrOutside(from, header);
	/** @type {Area} */
	const area = [header.minLon, header.minLat, header.maxLon, header.maxLat];
	const origin = { url: `pmtiles://${url}`, attribution: metadata?.attribution || OPENSTREETMAP };
	if (RASTER.has(header.tileType))
		return {
			source: { type: "raster", tileSize: 256, ...origin },
			shapes: [raster(source, from, dark)],
			names: [],
			elsewhere,
			area,
		};
	const layers = layersOf(metadata);
	if (!VECTOR.has(header.tileType) || (layers.length && !SCHEMA.every((id) => layers.includes(id)))) {
		report(TEXTS.map.otherTiles(new URL(url).pathname, layers.join(", ")));
		return undefined;
	}
	return {
		source: { type: "vector", ...origin, ...(header.tileType === 6 && { encoding: "mlt" }) },
		shapes: streetShapes(colors, source, from),
		names: streetNames(colors, source, from, within(header)),
		elsewhere,
		area,
	};
}

/** The zoom from which an archive is drawn. @param {Header} header */
function firstZoom({ minZoom, maxZoom, minLon, maxLon }) {
	const wide = Math.log2((MIN_EXTENT / 512) * (360 / Math.max(maxLon - minLon, 1e-6)));
	return Math.min(maxZoom, Math.max(minZoom, Math.ceil(wide)));
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
			attribution: ATTRIBUTION,
		},
		grid: { type: "geojson", data: { type: "FeatureCollection", features: [] } },
	};
}

/** @param {string} source @param {number} from @param {boolean} dark @returns {LayerSpecification} */
function raster(source, from, dark) {
	return {
		id: `${source}-raster`,
		type: "raster",
		source,
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
