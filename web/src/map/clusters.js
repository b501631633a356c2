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
 * @property {number} copy the copy of the world that it is drawn in
 * @property {number} course degrees clockwise from north in which it is drawn, if it has a direction
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

/** The zoom from which only vehicles that cover each other are one. */
const STACKS_FROM = 14;
/** The least size of a grid's cell in CSS pixels, and the least number of vehicles in a cluster. */
const CLUSTERS = { size: 84, least: 4 };
const STACKS = { size: 10, least: 5 };
/** CSS pixels around a cluster in which it would cover a marker. */
const COVERED = 6;
/** CSS pixels beyond the view in which vehicles belong to clusters in it: the most of a cell's size. */
export const CLUSTER_MARGIN = Math.ceil(CLUSTERS.size * Math.SQRT2);

/** The radius of a cluster in CSS pixels. @param {number} count */
export function radius(count) {
	return 13 + 4.5 * Math.log10(count);
}

/**
 * Groups the markers in each cell of a grid. The grid is fixed on the earth, so panning does not change the
 * clusters. From near the cells are so small that a cluster is a stack: vehicles at one spot.
 * @param {Marker[]} markers
 * @param {number} zoom
 * @returns {{single: Marker[], clusters: Cluster[]}}
 */
export function clustered(markers, zoom) {
	const { size, least } = zoom < STACKS_FROM ? CLUSTERS : STACKS;
	const cells = (512 * 2 ** (Math.floor(zoom * 2) / 2)) / size;
	/** @type {Map<number, Marker[]>} */
	const grid = new Map();
	for (const marker of markers) {
		const key = keyOf((marker.x + marker.copy) * cells, marker.y * cells);
		const cell = grid.get(key);
		if (cell) {
			cell.push(marker);
		} else {
			grid.set(key, [marker]);
		}
	}
	/** @type {Cluster[]} */
	const clusters = [];
	for (const [key, cell] of grid) {
		if (cell.length >= least) {
			clusters.push(cluster(cell));
			grid.delete(key);
		}
	}
	const apart = merged(clusters);
	apart.forEach((one) => absorb(one, grid, cells, 512 * 2 ** zoom));
	return { single: [...grid.values()].flat(), clusters: apart };
}

/** The number of a cell. @param {number} x @param {number} y in cells */
const keyOf = (x, y) => Math.floor(x) * 0x4000000 + Math.floor(y);

/**
 * Adds the markers that a cluster would cover.
 * @param {Cluster} cluster
 * @param {Map<number, Marker[]>} grid the markers that are in no cluster
 * @param {number} cells of the world
 * @param {number} world CSS pixels
 */
function absorb(cluster, grid, cells, world) {
	const { left, top, radius, markers } = cluster;
	const [first] = markers;
	const reach = ((radius + COVERED) / world) * cells;
	const x = (first.x + first.copy + (left - first.left) / world) * cells;
	const y = (first.y + (top - first.top) / world) * cells;
	for (let column = Math.floor(x - reach); column <= x + reach; column++) {
		for (let row = Math.floor(y - reach); row <= y + reach; row++) {
			const key = keyOf(column, row);
			const apart = grid.get(key)?.filter((marker) => {
				const covered = Math.hypot(marker.left - left, marker.top - top) < radius + COVERED;
				if (covered) {
					markers.push(marker);
					cluster.states[marker.state]++;
				}
				return !covered;
			});
			if (apart) {
				grid.set(key, apart);
			}
		}
	}
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
