/**
 * outliers.js tells the fleet from the few vehicles that are far from it: with them in view, nothing else
 * could be told apart. One at (0, 0) has a receiver without a fix, mostly.
 */
import { project } from "../fleet.js";
import { boxAround } from "./viewport.js";

/** @typedef {{lon: number, lat: number}} Place degrees */

/** Degrees around (0, 0) in which receivers without a fix are. */
const NULL_ISLAND = 0.01;
/** The least vehicles of a fleet that has outliers; one of so many may be one. */
const LEAST = 8;
const ONE_OF = 40;
/** An outlier is so many times as far from the fleet's middle as the farthest other vehicle. */
const TIMES = 4;
/** The least distance from the middle to an outlier, in units of the world's width: some 200 km. */
const LEAST_DISTANCE = 0.005;

/**
 * @template {Place} T
 * @param {Iterable<T>} places
 * @returns {{fleet: T[], far: T[]}}
 */
export function withoutOutliers(places) {
	const all = [...places];
	const fixed = all.filter(({ lon, lat }) => Math.max(Math.abs(lon), Math.abs(lat)) > NULL_ISLAND);
	if (fixed.length === 0 || fixed.length < all.length / 2) {
		return { fleet: all, far: [] };
	}
	const kept = new Set(fixed);
	const lost = all.filter((place) => !kept.has(place));
	if (fixed.length < LEAST) {
		return { fleet: fixed, far: lost };
	}
	const sorted = byDistance(fixed);
	const most = Math.ceil(sorted.length / ONE_OF);
	const last = sorted[sorted.length - 1 - most].distance; // the farthest that is no outlier in any case
	const from = sorted.findIndex(({ distance }, i) => {
		return i >= sorted.length - most && distance > Math.max(TIMES * last, LEAST_DISTANCE);
	});
	const end = from < 0 ? sorted.length : from;
	return {
		fleet: sorted.slice(0, end).map(({ place }) => place),
		far: [...lost, ...sorted.slice(end).map(({ place }) => place)],
	};
}

/** Places by their distance from the middle of them all. @template {Place} T @param {T[]} places */
function byDistance(places) {
	const [west] = /** @type {import("./viewport.js").Box} */ (boxAround(places));
	const points = places.map((place) => ({
		place,
		// Counted from the widest gap on, so that no group of vehicles is torn apart.
		x: ((((place.lon - west) % 360) + 360) % 360) / 360,
		y: project(place.lon, place.lat).y,
		distance: 0,
	}));
	/** @param {number[]} values */
	const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
	const middle = { x: median(points.map(({ x }) => x)), y: median(points.map(({ y }) => y)) };
	for (const point of points) {
		point.distance = Math.hypot(point.x - middle.x, point.y - middle.y);
	}
	return points.sort((a, b) => a.distance - b.distance);
}
