/**
 * map.js creates the map in the system's light or dark scheme, and moves it.
 */
import * as maplibregl from "maplibre-gl";
import { addGraticule, baseStyle, closeArchives, repaint, streetAreas } from "./basemap.js";
import { isWithin, streetHint } from "./street-hint.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */

export const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
export const narrowScreen = window.matchMedia("(max-width: 720px)");

/** The zoom that shows one vehicle. Without streets, nearer zooms show nothing more. */
const CLOSE_ZOOM = { streets: 14, world: 11 };
let closeZoom = CLOSE_ZOOM.streets;
/** Milliseconds until the page retries what it could not load. */
const RETRY_INTERVAL = 15_000;

/**
 * @param {import("./basemap.js").Config} config
 * @param {import("../address.js").ViewState} viewState
 */
export async function makeMap(config, viewState) {
	closeZoom = config.style || config.pmtiles.length > 0 ? CLOSE_ZOOM.streets : CLOSE_ZOOM.world;
	const baseMap = new BaseMap(config);
	const map = new maplibregl.Map({
		container: "map",
		style: await baseMap.style(),
		center: viewState.map ? [viewState.map.lon, viewState.map.lat] : [10, 30],
		zoom: viewState.map?.zoom ?? 1.5,
		minZoom: 0.5,
		maxZoom: 20,
		maxPitch: 0, // the markers' canvas has no pitch or rotation
		dragRotate: false,
		pitchWithRotate: false,
		rollEnabled: false,
		attributionControl: { compact: narrowScreen.matches },
		locale: { "Map.Title": "Map of the vehicles" },
	});
	map.touchZoomRotate.disableRotation();
	map.keyboard.disableRotation();
	map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
	map.addControl(new maplibregl.ScaleControl(), "bottom-left");
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
	return map;
}

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
				report(`The map's style could not be loaded, so the world is shown: ${error.message}`);
				map.setStyle(await this.style());
				return;
			}
			this.#complete = false;
			report(`Parts of the map could not be loaded: ${error.message}`);
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

/**
 * The view in degrees. The west may be beyond −180.
 * @param {maplibregl.Map} map
 * @returns {import("./viewport.js").Box}
 */
export function bounds(map) {
	const b = map.getBounds();
	return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
}

/**
 * Moves the map to show all of these vehicles.
 * @param {maplibregl.Map} map
 * @param {Iterable<Vehicle>} vehicles
 * @param {{animate?: boolean, maxZoom?: number}} [options]
 */
export function showAll(map, vehicles, options) {
	const box = new maplibregl.LngLatBounds();
	const places = [...vehicles].sort((a, b) => a.lon - b.lon);
	// The box leaves out the widest gap in longitude, so it may extend beyond 180.
	let first = 0;
	let widest = places.length > 0 ? places[0].lon + 360 - places[places.length - 1].lon : 0;
	for (let i = 1; i < places.length; i++) {
		if (places[i].lon - places[i - 1].lon > widest) {
			widest = places[i].lon - places[i - 1].lon;
			first = i;
		}
	}
	places.forEach(({ lon, lat }, i) => box.extend([i < first ? lon + 360 : lon, lat]));
	if (!box.isEmpty()) {
		map.fitBounds(box, { padding: narrowScreen.matches ? 40 : 70, maxZoom: closeZoom, ...options });
	}
}

/**
 * Moves the map close to a place.
 * @param {maplibregl.Map} map
 * @param {[number, number]} center longitude, latitude
 * @param {boolean} [animate]
 */
export function showPlace(map, center, animate = true) {
	map.flyTo({ center, zoom: Math.max(map.getZoom(), closeZoom), animate, maxDuration: 2500 });
}

/**
 * Keeps a vehicle's drawn position in the centre.
 * @param {maplibregl.Map} map
 * @param {Vehicle} vehicle
 * @param {import("./clusters.js").Marker | undefined} marker undefined if the vehicle is off the screen
 */
export function keepCentred(map, vehicle, marker) {
	const { clientWidth, clientHeight } = map.getContainer();
	if (!marker) {
		map.jumpTo({ center: [vehicle.lon, vehicle.lat] });
	} else if (Math.hypot(marker.left - clientWidth / 2, marker.top - clientHeight / 2) > 0.5) {
		map.jumpTo({ center: map.unproject([marker.left, marker.top]) });
	}
}
