/**
 * trail.js draws the track of the selected vehicle: the positions in the hub's log, then those that arrive.
 */
/** @typedef {import("../livemap.js").Feature} Feature */

/** The most positions in a trail; the oldest are dropped. */
const MAX_POINTS = 5000;

export class Trail {
	/** @type {string | null} */ #id = null;
	/** In order of time. @type {{time: number, at: [number, number]}[]} */ #points = [];
	#reading = new AbortController();

	/** @param {{showTrail: (line: [number, number][]) => void}} map */
	constructor(map) {
		this.map = map;
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
		const line = this.#points.map((p) => p.at);
		this.map.showTrail(line.length > 1 ? unwrap(line) : []);
	}
}

/**
 * Unwraps a line that crosses the antimeridian, so it continues beyond ±180.
 * @param {[number, number][]} line
 * @returns {[number, number][]}
 */
function unwrap(line) {
	let turn = 0;
	return line.map(([lon, lat], i) => {
		const step = i > 0 ? lon - line[i - 1][0] : 0;
		turn += step > 180 ? -360 : step < -180 ? 360 : 0;
		return [lon + turn, lat];
	});
}
