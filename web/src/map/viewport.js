/**
 * viewport.js decides which part of the fleet the page follows. From afar that is the whole fleet; from near,
 * the area around the view and the selected vehicle.
 */

/** @typedef {[number, number, number, number]} Box west, south, east, north in degrees */
/** @typedef {import("../livemap.js").View} View */

/** The topic of all vehicles. */
export const ALL = "live_updates:all";
/** @param {string} vehicle */
export const topicOf = (vehicle) => `vehicle:${vehicle}`;

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

	/** @type {Box | null} */ #box = null;
	/** @type {string | null} */ #vehicle = null;
	/** @type {number | null} */ #interval = null;

	/** Whether the stream is restricted to the area around the view. */
	get near() {
		return this.#box !== null;
	}

	/**
	 * What to follow, or null if the current stream suffices.
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
			topics.push(topicOf(vehicle)); // a box does not restrict this topic
		}
		return { topics, bbox: this.#box, interval: this.#interval };
	}

	/**
	 * Without its own topic in the stream, a box would restrict the selected vehicle too.
	 * @param {Box | null} bounds
	 * @param {number} zoom
	 * @param {string | null} vehicle
	 */
	#isNear(bounds, zoom, vehicle) {
		return (
			bounds !== null &&
			zoom >= BBOX_FROM_ZOOM &&
			(vehicle === null ||
				(hasTopic(vehicle) && this.canRead(ALL) && this.canRead(topicOf(vehicle))))
		);
	}
}

/**
 * Whether the hub accepts the topic of a vehicle. A link may name any text as the selected vehicle.
 * @param {string} vehicle
 */
const hasTopic = (vehicle) =>
	/^\S(.*\S)?$/u.test(vehicle) && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\*$/u.test(vehicle);

/**
 * Seconds between a vehicle's positions; null for all of them, which a selected vehicle needs.
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

/**
 * Whether a place is in a box.
 * @param {Box} box the west may be beyond −180, and the east beyond 180
 * @param {{lon: number, lat: number}} place degrees
 */
export function contains([west, south, east, north], { lon, lat }) {
	return lat >= south && lat <= north && (((lon - west) % 360) + 360) % 360 <= east - west;
}

/** Whether the box covers the view and is not much wider. @param {Box} view @param {Box} box */
function covers(view, box) {
	const inside = view[0] >= box[0] && view[1] >= box[1] && view[2] <= box[2] && view[3] <= box[3];
	return inside && box[2] - box[0] <= MAX_WIDTH_RATIO * (view[2] - view[0]);
}
