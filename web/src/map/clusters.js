/**
 * clusters.js groups vehicles that would overlap on the screen.
 */

/** @typedef {import("../fleet.js").State} State */

/**
 * A vehicle on the screen.
 * @typedef {object} Marker
 * @property {import("../fleet.js").Vehicle} vehicle
 * @property {State} state
 * @property {number} x of the unit square, independent of the view
 * @property {number} y
 * @property {number} left CSS pixels from the map's left edge
 * @property {number} top
 * @property {boolean} guess whether place or direction is a guess
 */

/**
 * Vehicles that are drawn as one.
 * @typedef {object} Cluster
 * @property {Marker[]} markers
 * @property {Record<State, number>} states the number in each
 * @property {number} left CSS pixels of the centre
 * @property {number} top
 * @property {number} radius CSS pixels
 */

/** The least size of a grid cell in CSS pixels. */
const CELL_SIZE = 84;
/** The least number of vehicles in a cluster. */
const MIN_CLUSTER = 4;

/** The radius of a cluster in CSS pixels. @param {number} count */
export function radius(count) {
	return 13 + 4.5 * Math.log10(count);
}

/**
 * Groups the markers in each cell of a grid. The grid is fixed on the earth, so panning does not change the
 * clusters.
 * @param {Marker[]} markers
 * @param {number} zoom
 * @returns {{single: Marker[], clusters: Cluster[]}}
 */
export function clustered(markers, zoom) {
	const cells = (512 * 2 ** (Math.floor(zoom * 2) / 2)) / CELL_SIZE;
	/** @type {Map<number, Marker[]>} */
	const grid = new Map();
	for (const marker of markers) {
		const key = Math.floor(marker.x * cells) * 0x1000000 + Math.floor(marker.y * cells);
		const cell = grid.get(key);
		if (cell) {
			cell.push(marker);
		} else {
			grid.set(key, [marker]);
		}
	}
	/** @type {Marker[]} */
	const single = [];
	/** @type {Cluster[]} */
	const clusters = [];
	for (const cell of grid.values()) {
		if (cell.length < MIN_CLUSTER) {
			single.push(...cell);
		} else {
			clusters.push(cluster(cell));
		}
	}
	return { single, clusters: merged(clusters) };
}

/** @param {Marker[]} markers @returns {Cluster} */
function cluster(markers) {
	let left = 0;
	let top = 0;
	const states = { moving: 0, parked: 0, unknown: 0, silent: 0 };
	for (const marker of markers) {
		left += marker.left;
		top += marker.top;
		states[marker.state]++;
	}
	return {
		markers,
		states,
		left: left / markers.length,
		top: top / markers.length,
		radius: radius(markers.length),
	};
}

/**
 * Merges clusters that overlap, because the centres of two cells may be close.
 * @param {Cluster[]} clusters
 * @returns {Cluster[]}
 */
function merged(clusters) {
	clusters.sort((a, b) => b.markers.length - a.markers.length);
	/** @type {Cluster[]} */
	const apart = [];
	for (const one of clusters) {
		const near = apart.findIndex(
			(c) => Math.hypot(c.left - one.left, c.top - one.top) < c.radius + one.radius,
		);
		if (near < 0) {
			apart.push(one);
		} else {
			apart[near] = cluster(apart[near].markers.concat(one.markers));
		}
	}
	return apart.length < clusters.length ? merged(apart) : apart; // a merged cluster may overlap another
}
