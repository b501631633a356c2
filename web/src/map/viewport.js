/**
 * viewport.js decides which part of the fleet the page follows. From afar that is the whole fleet; from near,
 * the area around the view. selected.js follows the selected vehicle.
 */

/** @typedef {[number, number, number, number]} Box west, south, east, north in degrees */
/** @typedef {import("../livemap.js").View} View */

/** The topic of all vehicles. */
export const ALL = "live_updates:all";
/** The zoom from which the stream is restricted to the view. */
const BBOX_FROM_ZOOM = 8;
/**
 * Below this zoom a vehicle moves less than a pixel or two in INTERVAL. The interval spares the browser most
 * of a large fleet's events.
 */
const EVERY_FIX_FROM = 11;
const INTERVAL = 2; // seconds
/** How far a box extends beyond the view, in views. Small moves then need no new box. */
const MARGIN = 0.5;
/** The most widths of the view that a box may have before a narrower one replaces it. */
const MAX_WIDTH_RATIO = 4;

/** Viewport holds what the stream follows now. */
export class Viewport {
	/**
	 * The topics that the reader may read. Without the topic of all vehicles the view names no topics, which
	 * means everything that the reader may read.
	 * @type {(topic: string) => boolean}
	 */
	canRead = () => true;
	/** The topics of the groups that are shown; null: every vehicle. @type {string[] | null} */
	groups = null;

	/** @type {Box | null} */ #box = null;
	/** @type {number | null} */ #interval = null;

	/** Whether the stream is restricted to the area around the view. */
	get near() {
		return this.#box !== null;
	}

	/** The topics of the fleet that is shown; none: everything that the reader may read. */
	get topics() {
		return this.groups ?? (this.canRead(ALL) ? [ALL] : []);
	}

	/**
	 * What to follow, or null if the current stream suffices.
	 * @param {Box | null} bounds of the map, west may be beyond ±180; null: nothing to show yet
	 * @param {number} zoom
	 * @returns {View | null}
	 */
	next(bounds, zoom) {
		const fits = isNear(bounds, zoom)
			? this.#box !== null && bounds !== null && covers(bounds, this.#box)
			: this.#box === null;
		return fits && this.#interval === interval(zoom) ? null : this.view(bounds, zoom);
	}

	/** @param {Box | null} bounds @param {number} zoom @returns {View} */
	view(bounds, zoom) {
		this.#box = bounds !== null && isNear(bounds, zoom) ? expand(bounds) : null;
		this.#interval = interval(zoom);
		const { topics } = this;
		const part = { bbox: this.#box, interval: this.#interval };
		return topics.length > 0 ? { topics, ...part } : part;
	}
}

/** @param {Box | null} bounds @param {number} zoom */
const isNear = (bounds, zoom) => bounds !== null && zoom >= BBOX_FROM_ZOOM;

/** Seconds between a vehicle's positions; null for all of them. @param {number} zoom */
const interval = (zoom) => (zoom < EVERY_FIX_FROM ? INTERVAL : null);

/** @param {Box} bounds @returns {Box} */
function expand([west, south, east, north]) {
	const wide = (east - west) * MARGIN;
	const high = (north - south) * MARGIN;
	/** @param {number} degrees */
	const round = (degrees) => Math.round(degrees * 1e5) / 1e5;
	return [
		round(west - wide),
		round(Math.max(-90, south - high)),
		round(east + wide),
		round(Math.min(90, north + high)),
	];
}

/**
 * Whether a place is in a box.
 * @param {Box} box the west may be beyond −180, and the east beyond 180
 * @param {{lon: number, lat: number}} place degrees
 */
export function contains([west, south, east, north], { lon, lat }) {
	return lat >= south && lat <= north && (((lon - west) % 360) + 360) % 360 <= east - west;
}

/**
 * The narrowest box around places. It leaves out the widest gap in longitude, so it may extend beyond 180.
 * @param {Iterable<{lon: number, lat: number}>} places degrees
 * @returns {Box | null} null: there are none
 */
export function boxAround(places) {
	const sorted = [...places].sort((a, b) => a.lon - b.lon);
	if (sorted.length === 0) {
		return null;
	}
	let first = 0;
	let widest = sorted[0].lon + 360 - sorted[sorted.length - 1].lon;
	let [south, north] = [sorted[0].lat, sorted[0].lat];
	for (let i = 1; i < sorted.length; i++) {
		const gap = sorted[i].lon - sorted[i - 1].lon;
		if (gap > widest) {
			[widest, first] = [gap, i];
		}
		south = Math.min(south, sorted[i].lat);
		north = Math.max(north, sorted[i].lat);
	}
	const last = sorted[(first + sorted.length - 1) % sorted.length].lon;
	return [sorted[first].lon, south, first === 0 ? last : last + 360, north];
}

/** Whether the box covers the view and is not much wider. @param {Box} view @param {Box} box */
function covers(view, box) {
	const inside = view[0] >= box[0] && view[1] >= box[1] && view[2] <= box[2] && view[3] <= box[3];
	return inside && box[2] - box[0] <= MAX_WIDTH_RATIO * (view[2] - view[0]);
}
