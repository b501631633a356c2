/**
 * clusters.js puts vehicles that would cover each other on the screen together.
 */

/** @typedef {import("../fleet.js").State} State */

/**
 * A vehicle on the screen.
 * @typedef {object} Mark
 * @property {import("../fleet.js").Vehicle} vehicle
 * @property {State} state
 * @property {number} x of the unit square: the same wherever the map is
 * @property {number} y
 * @property {number} left CSS pixels from the map's left edge
 * @property {number} top
 */

/**
 * Vehicles that are drawn as one.
 * @typedef {object} Cluster
 * @property {Mark[]} marks
 * @property {Record<State, number>} states how many are in each
 * @property {number} left CSS pixels, the middle of them all
 * @property {number} top
 * @property {number} radius CSS pixels
 */

/** CSS pixels between lines of the grid, at least. */
const CELL = 84;
/** Vehicles that are put together, at least. */
const COMPANY = 4;

/** The radius of a cluster of so many, in CSS pixels. @param {number} count */
export function radius(count) {
	return 13 + 4.5 * Math.log10(count);
}

/**
 * Puts together those in the same cell of a grid that lies fixed on the earth, so
 * that panning the map changes nothing.
 * @param {Mark[]} marks
 * @param {number} zoom
 * @returns {{single: Mark[], clusters: Cluster[]}}
 */
export function clustered(marks, zoom) {
	const cells = (512 * 2 ** (Math.floor(zoom * 2) / 2)) / CELL;
	/** @type {Map<number, Mark[]>} */
	const grid = new Map();
	for (const mark of marks) {
		const key = Math.floor(mark.x * cells) * 0x1000000 + Math.floor(mark.y * cells);
		const cell = grid.get(key);
		if (cell) {
			cell.push(mark);
		} else {
			grid.set(key, [mark]);
		}
	}
	/** @type {Mark[]} */
	const single = [];
	/** @type {Cluster[]} */
	const clusters = [];
	for (const cell of grid.values()) {
		if (cell.length < COMPANY) {
			single.push(...cell);
		} else {
			clusters.push(cluster(cell));
		}
	}
	return { single, clusters: merged(clusters) };
}

/** @param {Mark[]} marks @returns {Cluster} */
function cluster(marks) {
	let left = 0;
	let top = 0;
	const states = { moving: 0, parked: 0, silent: 0 };
	for (const mark of marks) {
		left += mark.left;
		top += mark.top;
		states[mark.state]++;
	}
	return { marks, states, left: left / marks.length, top: top / marks.length, radius: radius(marks.length) };
}

/**
 * Puts together clusters that overlap: two cells' middles may be close.
 * @param {Cluster[]} clusters
 * @returns {Cluster[]}
 */
function merged(clusters) {
	clusters.sort((a, b) => b.marks.length - a.marks.length);
	/** @type {Cluster[]} */
	const apart = [];
	for (const one of clusters) {
		const near = apart.findIndex((c) => Math.hypot(c.left - one.left, c.top - one.top) < c.radius + one.radius);
		if (near < 0) {
			apart.push(one);
		} else {
			apart[near] = cluster(apart[near].marks.concat(one.marks));
		}
	}
	return apart.length < clusters.length ? merged(apart) : apart; // a larger one may overlap others
}
