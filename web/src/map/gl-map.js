/**
 * gl-map.js is the full map: MapLibre draws it with WebGL2, in the system's light or dark scheme.
 */
import * as maplibregl from "maplibre-gl";
import { scaleUnit } from "../format.js";
import { onSettings } from "../settings.js";
import { TEXTS } from "../texts.js";
import { addGraticule, baseStyle, closeArchives, repaint, streetAreas } from "./basemap.js";
import { PALETTE } from "./sprites.js";
import { isWithin, streetHint } from "./street-hint.js";

/** @typedef {import("./camera.js").Point} Point */
/** @typedef {import("./camera.js").LonLat} LonLat */
/** @typedef {import("./map.js").Ground} Ground */

const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
const TRAIL = "trail"; // its source and its layer
/** Of what the names give way to: its source, its layer, and what the names of its images begin with. */
const OBSTACLES = "obstacles";
/** Milliseconds until the page retries what it could not load. */
const RETRY_INTERVAL = 15_000;

/**
 * Makes the map. It throws where WebGL2 is missing.
 * @param {HTMLElement} container
 * @param {import("./basemap.js").Config} config
 * @param {boolean} compact whether the attribution is folded
 */
export async function makeGlMap(container, config, compact) {
	const baseMap = new BaseMap(config);
	const map = new maplibregl.Map({
		container,
		style: await baseMap.style(),
		minZoom: 0.5,
		maxZoom: 20,
		maxPitch: 0, // the markers' canvas has no pitch or rotation
		dragRotate: false,
		pitchWithRotate: false,
		rollEnabled: false,
		attributionControl: { compact },
		fadeDuration: 100, // names that give way to vehicles are not drawn many times for that
		locale: { "Map.Title": TEXTS.map.title },
	});
	map.touchZoomRotate.disableRotation();
	map.keyboard.disableRotation();
	map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
	const scale = new maplibregl.ScaleControl({ unit: scaleUnit() });
	map.addControl(scale, "bottom-left");
	onSettings(() => scale.setUnit(scaleUnit()));
	map.on("style.load", () => map.setProjection({ type: "mercator" })); // overrides the style
	addGraticule(map);
	darkScheme.addEventListener("change", async () => {
		const style = await baseMap.style();
		if (typeof style !== "string" && !repaint(map, style)) {
			map.setStyle(style);
		}
	});
	baseMap.retryOnError(map);
	streetHint(map, () => isWithin(map.getCenter().wrap(), baseMap.streets));
	return new GlMap(map);
}

/** @implements {Ground} */
class GlMap {
	#map;
	/** @type {LonLat[]} */ #trail = [];
	/** @type {import("./map.js").Obstacle[]} */ #obstacles = [];

	/** @param {maplibregl.Map} map */
	constructor(map) {
		this.#map = map;
		map.on("style.load", () => {
			this.showTrail(this.#trail); // a new style has neither
			this.avoid(this.#obstacles);
		});
	}

	get container() {
		return this.#map.getContainer();
	}

	get overlaid() {
		return this.#map.getCanvasContainer();
	}

	get zoom() {
		return this.#map.getZoom();
	}

	/** @returns {LonLat} */
	get center() {
		const { lng, lat } = this.#map.getCenter().wrap();
		return [lng, lat];
	}

	/** @returns {import("./viewport.js").Box} */
	bounds() {
		const b = this.#map.getBounds();
		return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
	}

	/** @param {LonLat} place */
	project(place) {
		return this.#map.project(place);
	}

	/** @param {Point} point @returns {LonLat} */
	unproject({ x, y }) {
		const { lng, lat } = this.#map.unproject([x, y]);
		return [lng, lat];
	}

	isMoving() {
		return this.#map.isMoving();
	}

	isComplete() {
		return Boolean(this.#map.loaded());
	}

	/** @param {LonLat} center @param {number} [zoom] */
	jumpTo(center, zoom) {
		this.#map.jumpTo(zoom === undefined ? { center } : { center, zoom });
	}

	/** @param {LonLat} center @param {number} zoom @param {{offset: Point, animate: boolean}} options */
	flyTo(center, zoom, { offset: { x, y }, animate }) {
		this.#map.flyTo({ center, zoom, offset: [x, y], animate, maxDuration: 2500 });
	}

	/**
	 * @param {import("./viewport.js").Box} box
	 * @param {{padding: number, maxZoom: number, animate: boolean}} options
	 */
	fit([west, south, east, north], options) {
		this.#map.fitBounds([west, south, east, north], options);
	}

	/** @param {string} cursor of CSS */
	setCursor(cursor) {
		this.#map.getCanvas().style.cursor = cursor;
	}

	/** @param {string} type @param {(event: any) => void} listener */
	on(type, listener) {
		this.#map.on(/** @type {any} */ (type), listener);
	}

	/** @param {string} type @param {(event: any) => void} listener */
	off(type, listener) {
		this.#map.off(/** @type {any} */ (type), listener);
	}

	/**
	 * Makes MapLibre's own placement leave out, or move, names that something is drawn over: by symbols that
	 * nobody sees, which it places before all names.
	 * @param {import("./map.js").Obstacle[]} obstacles
	 */
	avoid(obstacles) {
		this.#obstacles = obstacles;
		if (!this.#map.getStyle()) {
			return; // still loading; style.load calls it again
		}
		/** @type {GeoJSON.FeatureCollection} */
		const data = {
			type: "FeatureCollection",
			features: obstacles.map(({ at, width, height }) => ({
				type: "Feature",
				properties: { image: this.#transparent(boxSize(width), boxSize(height)) },
				geometry: { type: "Point", coordinates: at },
			})),
		};
		const source = /** @type {maplibregl.GeoJSONSource | undefined} */ (this.#map.getSource(OBSTACLES));
		if (source) {
			source.setData(data);
			return;
		}
		this.#map.addSource(OBSTACLES, { type: "geojson", data });
		this.#map.addLayer({
			id: OBSTACLES,
			type: "symbol",
			source: OBSTACLES,
			layout: { "icon-image": ["get", "image"], "icon-allow-overlap": true, "icon-padding": 0 },
		});
	}

	/** @param {import("./labels.js").Box} box @returns {string[]} */
	namesIn({ left, top, right, bottom }) {
		const names = this.#map.queryRenderedFeatures([
			[left, top],
			[right, bottom],
		]);
		return names
			.filter(({ layer, source }) => layer.type === "symbol" && source !== OBSTACLES)
			.map(({ properties }) => String(properties.name));
	}

	/** The name of an image that nobody sees. @param {number} width @param {number} height */
	#transparent(width, height) {
		const name = [OBSTACLES, width, height].join(" ");
		if (!this.#map.hasImage(name)) {
			const data = new Uint8Array(width * height * 4);
			this.#map.addImage(name, { width, height, data }, { pixelRatio: 1 / BOX_PIXEL });
		}
		return name;
	}

	/** @param {LonLat[]} line which may continue beyond ±180 */
	showTrail(line) {
		this.#trail = line;
		/** @type {GeoJSON.Feature} */
		const feature = {
			type: "Feature",
			properties: {},
			geometry: { type: "LineString", coordinates: line },
		};
		/** @type {GeoJSON.FeatureCollection} */
		const data = { type: "FeatureCollection", features: line.length > 0 ? [feature] : [] };
		const source = /** @type {maplibregl.GeoJSONSource | undefined} */ (this.#map.getSource(TRAIL));
		if (source) {
			source.setData(data);
			return;
		}
		if (!this.#map.getStyle()) {
			return; // still loading; style.load draws the trail
		}
		this.#map.addSource(TRAIL, { type: "geojson", data, lineMetrics: true });
		this.#map.addLayer({
			id: TRAIL,
			type: "line",
			source: TRAIL,
			layout: { "line-cap": "round", "line-join": "round" },
			paint: {
				"line-width": ["interpolate", ["linear"], ["zoom"], 4, 2, 14, 5],
				"line-gradient": [
					"interpolate",
					["linear"],
					["line-progress"],
					0,
					`${PALETTE.light.selected}1a`,
					1,
					PALETTE.light.selected,
				],
			},
		});
	}
}

/** CSS pixels of a pixel of the images of OBSTACLES, which are few and small. */
const BOX_PIXEL = 8;
/** Pixels of such an image. @param {number} size CSS pixels */
const boxSize = (size) => Math.max(1, Math.ceil(size / BOX_PIXEL));

/** BaseMap loads the style under the vehicles, and retries when it cannot be loaded. */
class BaseMap {
	#config;
	#complete = true; // nothing has failed since the style was made
	/** The areas in which the newest style draws streets. @type {import("./basemap.js").Area[]} */
	streets = [];

	/** @param {import("./basemap.js").Config} config */
	constructor(config) {
		this.#config = config;
	}

	/** The style for the current colour scheme. @returns {ReturnType<typeof baseStyle>} */
	async style() {
		const { report = () => {} } = this.#config;
		/** @param {string} words */
		const failed = (words) => {
			this.#complete = false;
			report(words);
		};
		const style = await baseStyle(maplibregl, { ...this.#config, report: failed }, darkScheme.matches);
		this.streets = streetAreas(style);
		return style;
	}

	/** Reports what cannot be loaded, and retries until it can. @param {maplibregl.Map} map */
	retryOnError(map) {
		const { report = () => {} } = this.#config;
		let styled = false;
		map.once("style.load", () => (styled = true));
		map.on("error", async ({ error }) => {
			if (!styled && this.#config.style) {
				styled = true;
				this.#config = { ...this.#config, style: null };
				report(TEXTS.map.noStyle(error.message));
				map.setStyle(await this.style());
				return;
			}
			this.#complete = false;
			report(TEXTS.map.incomplete(error.message));
		});
		setInterval(() => this.#complete || this.#reload(map), RETRY_INTERVAL);
	}

	/** @param {maplibregl.Map} map */
	async #reload(map) {
		this.#complete = true;
		closeArchives();
		const style = await this.style();
		if (!this.#complete) {
			return;
		}
		if (typeof style !== "string") {
			// MapLibre reloads the sources of a style that is set anew.
			map.setStyle(style, { diff: false });
		}
		this.#config.report?.("");
	}
}
