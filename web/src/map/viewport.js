/**
 * viewport.js decides what of the fleet the page follows: all of it from afar;
 * from near, what is in and around the view, and the selected vehicle wherever
 * it is.
 */

/** @typedef {[number, number, number, number]} Box west, south, east, north in degrees */
/** @typedef {import("../livemap.js").View} View */

/** The topic of all vehicles. */
export const ALL = "live_updates:all";
/** @param {string} vehicle */
export const topicOf = (vehicle) => `vehicle:${vehicle}`;

/** From here on the stream follows the view. */
const BBOX_FROM_ZOOM = 8;
/**
 * Below this zoom two seconds move a vehicle by hardly a pixel: there the hub
 * need not send more, which spares the browser most of a large fleet's events.
 */
const EVERY_FIX_FROM = 11;
const INTERVAL = 2; // seconds
/** How far a box reaches beyond the view, in views, so that small moves need no other. */
const MARGIN = 0.5;
/** How many times the view's width a box may have, before a narrower one is better. */
const MAX_WIDTH_RATIO = 4;

/** Viewport holds what the stream was last told to follow. */
export class Viewport {
	/**
	 * What the reader may read. If not the topic of all vehicles, what is followed has no
	 * topics, which is all that they may.
	 * @type {(topic: string) => boolean}
	 */
	canRead = () => true;

	/** @type {Box | null} */ #box = null;
	/** @type {string | null} */ #vehicle = null;
	/** @type {number | null} */ #interval = null;

	/** Whether only what is around the view is followed. */
	get near() {
		return this.#box !== null;
	}

	/**
	 * What to follow, or null if what is followed will do.
	 * @param {Box | null} bounds of the map, west may be beyond ±180; null: nothing to show yet
	 * @param {number} zoom
	 * @param {string | null} vehicle the selected one
	 * @returns {View | null}
	 */
	next(bounds, zoom, vehicle) {
		const near = this.#isNear(bounds, zoom, vehicle);
		const fits = near
			? this.#box !== null && bounds !== null && covers(bounds, this.#box)
			: this.#box === null;
		const known = !near || this.#vehicle === vehicle;
		return fits && known && this.#interval === interval(zoom, vehicle)
			? null
			: this.view(bounds, zoom, vehicle);
	}

	/** @param {Box | null} bounds @param {number} zoom @param {string | null} vehicle @returns {View} */
	view(bounds, zoom, vehicle) {
		this.#box = bounds !== null && this.#isNear(bounds, zoom, vehicle) ? expand(bounds) : null;
		this.#vehicle = vehicle;
		this.#interval = interval(zoom, vehicle);
		if (!this.canRead(ALL)) {
			return { bbox: this.#box, interval: this.#interval };
		}
		const topics = [ALL];
		if (this.#box && vehicle !== null) {
			topics.push(topicOf(vehicle)); // a box does not restrict it
		}
		return { topics, bbox: this.#box, interval: this.#interval };
	}

	/**
	 * Where its own topic may not be read, a box restricts the selected vehicle, too.
	 * @param {Box | null} bounds
	 * @param {number} zoom
	 * @param {string | null} vehicle
	 */
	#isNear(bounds, zoom, vehicle) {
		return (
			bounds !== null &&
			zoom >= BBOX_FROM_ZOOM &&
			(vehicle === null || (this.canRead(ALL) && this.canRead(topicOf(vehicle))))
		);
	}
}

/**
 * Seconds between a vehicle's positions; every one is wanted of a selected vehicle.
 * @param {number} zoom
 * @param {string | null} vehicle
 */
function interval(zoom, vehicle) {
	return zoom < EVERY_FIX_FROM && vehicle === null ? INTERVAL : null;
}

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

/** Whether the view is in the box, and the box not far wider. @param {Box} view @param {Box} box */
function covers(view, box) {
	const inside = view[0] >= box[0] && view[1] >= box[1] && view[2] <= box[2] && view[3] <= box[3];
	return inside && box[2] - box[0] <= MAX_WIDTH_RATIO * (view[2] - view[0]);
}
