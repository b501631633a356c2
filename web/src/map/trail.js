/**
 * trail.js draws the track of the selected vehicle: the positions in the hub's log, then those that arrive.
 */
import { PALETTE } from "./sprites.js";

/** @typedef {import("../livemap.js").Feature} Feature */

const LAYER = "trail";
/** The most positions in a trail; the oldest are dropped. */
const MAX_POINTS = 5000;

export class Trail {
	/** @type {string | null} */ #id = null;
	/** In order of time. @type {{time: number, at: [number, number]}[]} */ #points = [];
	#reading = new AbortController();

	/** @param {import("maplibre-gl").Map} map */
	constructor(map) {
		this.map = map;
		map.on("style.load", () => this.#draw()); // a new style has no trail
	}

	get length() {
		return this.#points.length;
	}

	/** Clears the trail. Another reader may not be allowed to see it. */
	clear() {
		this.#reading.abort();
		this.#points = [];
		this.#draw();
	}

	/** Loads a vehicle's track. @param {string | null} id */
	async show(id) {
		if (id !== this.#id) {
			this.#id = id;
			this.clear();
		}
		this.#reading.abort();
		if (id === null || id === "." || id === "..") {
			return; // browsers remove these two from a path, in any encoding
		}
		const { signal } = (this.#reading = new AbortController());
		try {
			const answer = await fetch(`/vehicles/${encodeURIComponent(id)}/track`, {
				signal,
				cache: "no-store",
			});
			if (!answer.ok) {
				return; // the vehicle is unknown, which the details show
			}
			const { geometry, properties } = await answer.json();
			// A track of one position is a Point.
			const coordinates =
				geometry?.type === "LineString"
					? geometry.coordinates
					: geometry
						? [geometry.coordinates]
						: [];
			const times = [properties.timestamps ?? []].flat();
			const arrived = this.#points; // during the request
			this.#points = coordinates.map((/** @type {number[]} */ [lon, lat], /** @type {number} */ i) => ({
				time: times[i],
				at: [lon, lat],
			}));
			arrived.forEach((p) => this.#insert(p));
			this.#draw();
		} catch (error) {
			if (!signal.aborted && !(error instanceof TypeError)) {
				throw error;
			}
			// The hub is unreachable. main.js loads the trail again when the feed is live.
		}
	}

	/** Adds a position, which may be a late one. @param {Feature} feature */
	add(feature) {
		if (feature.id !== this.#id) {
			return;
		}
		const [lon, lat] = feature.geometry.coordinates;
		this.#insert({ time: feature.properties.timestamp, at: [lon, lat] });
		this.#draw();
	}

	/** @param {{time: number, at: [number, number]}} point */
	#insert(point) {
		let i = this.#points.length;
		while (i > 0 && this.#points[i - 1].time > point.time) {
			i--;
		}
		if (this.#points[i - 1]?.time === point.time) {
			this.#points[i - 1] = point; // the newest arrival replaces it
		} else {
			this.#points.splice(i, 0, point);
		}
		this.#points.splice(0, this.#points.length - MAX_POINTS);
	}

	#draw() {
		/** @type {GeoJSON.Feature} */
		const line = {
			type: "Feature",
			properties: {},
			geometry: { type: "LineString", coordinates: unwrap(this.#points.map((p) => p.at)) },
		};
		/** @type {GeoJSON.FeatureCollection} */
		const data = { type: "FeatureCollection", features: this.#points.length > 1 ? [line] : [] };
		const source = /** @type {import("maplibre-gl").GeoJSONSource | undefined} */ (
			this.map.getSource(LAYER)
		);
		if (source) {
			source.setData(data);
			return;
		}
		if (!this.map.getStyle()) {
			return; // still loading; style.load draws the trail
		}
		this.map.addSource(LAYER, { type: "geojson", data, lineMetrics: true });
		this.map.addLayer({
			id: LAYER,
			type: "line",
			source: LAYER,
			layout: { "line-cap": "round", "line-join": "round" },
			paint: {
				"line-width": ["interpolate", ["linear"], ["zoom"], 4, 2, 14, 5],
				"line-gradient": [
					"interpolate",
					["linear"],
					["line-progress"],
					0,
					"rgba(245,158,11,0.1)",
					1,
					PALETTE.light.selected,
				],
			},
		});
	}
}

/**
 * Unwraps a line that crosses the antimeridian, so it continues beyond ±180.
 * @param {[number, number][]} line
 */
function unwrap(line) {
	let turn = 0;
	return line.map(([lon, lat], i) => {
		const step = i > 0 ? lon - line[i - 1][0] : 0;
		turn += step > 180 ? -360 : step < -180 ? 360 : 0;
		return [lon + turn, lat];
	});
}
