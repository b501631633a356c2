/**
 * map.js makes the map, light or dark as the system is, and moves it.
 */
import * as maplibregl from "maplibre-gl";
import { addGraticule, baseStyle, closeArchives, repaint } from "./basemap.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */

export const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
export const narrowScreen = window.matchMedia("(max-width: 720px)");

/** The zoom at which a vehicle is looked at by itself: without streets there is little to see from nearer. */
const CLOSE_ZOOM = { streets: 14, world: 11 };
let closeZoom = CLOSE_ZOOM.streets;
/** Milliseconds after which what could not be drawn is tried again. */
const RETRY_INTERVAL = 15_000;

/**
 * @param {import("./basemap.js").Config} config
 * @param {import("../address.js").ViewState} viewState
 */
export async function makeMap(config, viewState) {
	closeZoom = config.style || config.pmtiles ? CLOSE_ZOOM.streets : CLOSE_ZOOM.world;
	const baseMap = new BaseMap(config);
	const map = new maplibregl.Map({
		container: "map",
		style: await baseMap.style(),
		center: viewState.map ? [viewState.map.lon, viewState.map.lat] : [10, 30],
		zoom: viewState.map?.zoom ?? 1.5,
		minZoom: 0.5,
		maxZoom: 20,
		maxPitch: 0, // the markers' canvas knows the map from above, north up
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
	map.on("style.load", () => map.setProjection({ type: "mercator" })); // whatever the style says
	addGraticule(map);
	darkScheme.addEventListener("change", async () => {
		const style = await baseMap.style();
		if (typeof style !== "string" && !repaint(map, style)) {
			map.setStyle(style);
		}
	});
	baseMap.retryOnError(map);
	return map;
}

/** BaseMap is what lies under the vehicles, and what is done when that cannot be had. */
class BaseMap {
	#config;
	#complete = true; // nothing has failed since the style was made

	/** @param {import("./basemap.js").Config} config */
	constructor(config) {
		this.#config = config;
	}

	/** The style as it is to be now. @returns {ReturnType<typeof baseStyle>} */
	style() {
		const { report = () => {} } = this.#config;
		/** @param {string} words */
		const failed = (words) => {
			this.#complete = false;
			report(words);
		};
		return baseStyle(maplibregl, { ...this.#config, report: failed }, darkScheme.matches);
	}

	/** Says what cannot be drawn, and tries again until it can. @param {maplibregl.Map} map */
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
			// of such MapLibre asks again for what it needs
			map.setStyle(style, { diff: false });
		}
		this.#config.report?.("");
	}
}

/**
 * What is in view, in degrees; the west may be beyond −180.
 * @param {maplibregl.Map} map
 * @returns {import("./viewport.js").Box}
 */
export function bounds(map) {
	const b = map.getBounds();
	return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
}

/**
 * Shows all of these.
 * @param {maplibregl.Map} map
 * @param {Iterable<Vehicle>} vehicles
 * @param {{animate?: boolean, maxZoom?: number}} [options]
 */
export function showAll(map, vehicles, options) {
	const box = new maplibregl.LngLatBounds();
	const places = [...vehicles].sort((a, b) => a.lon - b.lon);
	// The box goes from the east end of the widest gap between them to its west end,
	// which may be beyond 180.
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
 * Shows a place from near.
 * @param {maplibregl.Map} map
 * @param {[number, number]} center longitude, latitude
 * @param {boolean} [animate]
 */
export function showPlace(map, center, animate = true) {
	map.flyTo({ center, zoom: Math.max(map.getZoom(), closeZoom), animate, maxDuration: 2500 });
}

/**
 * Keeps a vehicle in the middle, where it is drawn.
 * @param {maplibregl.Map} map
 * @param {Vehicle} vehicle
 * @param {import("./clusters.js").Marker | undefined} marker undefined: it is not on the screen
 */
export function keepCentred(map, vehicle, marker) {
	const { clientWidth, clientHeight } = map.getContainer();
	if (!marker) {
		map.jumpTo({ center: [vehicle.lon, vehicle.lat] });
	} else if (Math.hypot(marker.left - clientWidth / 2, marker.top - clientHeight / 2) > 0.5) {
		map.jumpTo({ center: map.unproject([marker.left, marker.top]) });
	}
}
