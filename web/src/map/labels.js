/**
 * labels.js finds room for the vehicles' labels: beside their markers, in the view, over no other label,
 * marker or cluster.
 */

/** @typedef {import("./clusters.js").Marker} Marker */
/** @typedef {import("./clusters.js").Cluster} Cluster */

/** The most characters of a line; a label has at most two lines. */
export const LINE = 18;
/** Characters that are kept at the end of a line that is too long: ids often differ there. */
const END = 7;
/** CSS pixels: a line's height, from a marker's centre to its label, and around a marker. */
export const LINE_HEIGHT = 14;
const OFFSET = 16; // a cell more than MARKER_RADIUS
const MARKER_RADIUS = 9;
/** CSS pixels along an edge of a cell that is taken or free. */
const CELL = 6;
/** The most labels in a view; more would be unreadable. */
const MAX_LABELS = 150;
/** The most markers in a view for which room is sought. In a larger crowd none has a label. */
const MAX_MARKERS = 1500;

/** @param {string[]} characters */
const shortened = (characters) =>
	characters.length <= LINE
		? characters.join("")
		: [characters.slice(0, LINE - END - 1), characters.slice(-END)]
				.map((part) => part.join(""))
				.join("…");

/**
 * A text in at most two lines. Words are kept whole where they fit, and what is too long loses its middle.
 * @param {string} text
 * @returns {string[]}
 */
export function labelLines(text) {
	const characters = [...text];
	if (characters.length <= LINE) {
		return [text];
	}
	let split = -1; // the space that makes two lines of the most similar lengths
	for (let i = 1; i < characters.length - 1; i++) {
		const middle = characters.length / 2;
		if (characters[i] === " " && i <= LINE && Math.abs(i - middle) < Math.abs(split - middle)) {
			split = i;
		}
	}
	return split < 0
		? [shortened(characters)]
		: [characters.slice(0, split).join(""), shortened(characters.slice(split + 1))];
}

/** Where a label may stand, the best first: the direction from its marker. */
const ANCHORS = /** @type {const} */ ([
	{ x: 1, y: 0, align: "left" },
	{ x: -1, y: 0, align: "right" },
	{ x: 0, y: 1, align: "center" },
	{ x: 0, y: -1, align: "center" },
]);

/**
 * A label that has room.
 * @typedef {object} Label
 * @property {Marker} marker
 * @property {string[]} lines
 * @property {number} anchor of ANCHORS
 * @property {"left" | "right" | "center"} align of the text at `x`
 * @property {number} x CSS pixels
 * @property {number} y of the middle of the first line
 * @property {Box} box
 */

/** @typedef {{left: number, top: number, right: number, bottom: number}} Box CSS pixels */

export class Labels {
	/**
	 * The anchor of each label of the last layout, by vehicle: it stays, if it can.
	 * @type {Map<string, number>}
	 */
	#anchors = new Map();
	#taken = new Uint8Array(0);
	#columns = 0;
	#rows = 0;

	/**
	 * Finds room for labels.
	 * @param {object} view
	 * @param {number} view.width CSS pixels
	 * @param {number} view.height
	 * @param {Marker[]} view.single the last are on top
	 * @param {Cluster[]} view.clusters
	 * @param {(string | null)[]} view.first ids of vehicles that have a label before all others
	 * @param {boolean} view.others whether the others have any
	 * @param {(marker: Marker) => {lines: string[], width: number}} textOf
	 * @returns {Label[]}
	 */
	layout({ width, height, single, clusters, first, others }, textOf) {
		this.#clear(width, height);
		const crowd = single.length > MAX_MARKERS;
		if (!crowd) {
			for (const { left, top } of single) {
				this.#take(around(left, top, MARKER_RADIUS));
			}
		}
		clusters.forEach(({ left, top, radius }) => this.#take(around(left, top, radius)));
		/** @type {Label[]} */
		const labels = [];
		for (const marker of this.#ordered(single, first, others && !crowd)) {
			if (labels.length === MAX_LABELS) {
				break;
			}
			const label = this.#place(marker, textOf(marker), width, height);
			if (label) {
				labels.push(label);
			}
		}
		this.#anchors = new Map(labels.map(({ marker, anchor }) => [marker.vehicle.id, anchor]));
		return labels;
	}

	/** @param {Marker[]} single @param {(string | null)[]} first @param {boolean} others */
	#ordered(single, first, others) {
		/** Those asked for, those that have a label, silent ones, the rest. @type {Marker[][]} */
		const ranks = [[], [], [], []];
		for (let i = single.length - 1; i >= 0; i--) {
			const { state, vehicle } = single[i];
			const asked = first.includes(vehicle.id);
			if (asked || others) {
				ranks[asked ? 0 : this.#anchors.has(vehicle.id) ? 1 : state === "silent" ? 2 : 3].push(
					single[i],
				);
			}
		}
		return ranks.flat();
	}

	/**
	 * @param {Marker} marker @param {{lines: string[], width: number}} text
	 * @param {number} width of the view @param {number} height
	 * @returns {Label | undefined}
	 */
	#place(marker, { lines, width: wide }, width, height) {
		if (marker.left < 0 || marker.top < 0 || marker.left > width || marker.top > height) {
			return undefined; // nobody would see what the label is of
		}
		const high = lines.length * LINE_HEIGHT;
		const kept = this.#anchors.get(marker.vehicle.id) ?? 0;
		for (let i = 0; i < ANCHORS.length; i++) {
			const anchor = i === 0 ? kept : i <= kept ? i - 1 : i;
			const { x, y, align } = ANCHORS[anchor];
			const at = marker.left + x * OFFSET;
			const middle = marker.top + y * (OFFSET + high / 2);
			const left = align === "left" ? at : align === "right" ? at - wide : at - wide / 2;
			const box = { left, top: middle - high / 2, right: left + wide, bottom: middle + high / 2 };
			const inView = box.left >= 0 && box.top >= 0 && box.right <= width && box.bottom <= height;
			if (inView && this.#isFree(box)) {
				this.#take(box);
				return { marker, lines, anchor, align, x: at, y: box.top + LINE_HEIGHT / 2, box };
			}
		}
		return undefined;
	}

	/** @param {number} width @param {number} height */
	#clear(width, height) {
		this.#columns = Math.ceil(width / CELL);
		this.#rows = Math.ceil(height / CELL);
		if (this.#taken.length === this.#columns * this.#rows) {
			this.#taken.fill(0);
		} else {
			this.#taken = new Uint8Array(this.#columns * this.#rows);
		}
	}

	/** The cells of a box in the view. @param {Box} box */
	#cells({ left, top, right, bottom }) {
		return {
			west: Math.max(0, Math.floor(left / CELL)),
			east: Math.min(this.#columns - 1, Math.floor(right / CELL)),
			north: Math.max(0, Math.floor(top / CELL)),
			south: Math.min(this.#rows - 1, Math.floor(bottom / CELL)),
		};
	}

	/** @param {Box} box */
	#take(box) {
		const { west, east, north, south } = this.#cells(box);
		for (let row = north; row <= south; row++) {
			const start = row * this.#columns;
			this.#taken.fill(1, start + west, start + Math.max(west, east + 1));
		}
	}

	/** @param {Box} box */
	#isFree(box) {
		const { west, east, north, south } = this.#cells(box);
		for (let row = north; row <= south; row++) {
			for (let column = west; column <= east; column++) {
				if (this.#taken[row * this.#columns + column] === 1) {
					return false;
				}
			}
		}
		return true;
	}
}

/** @param {number} x @param {number} y @param {number} radius @returns {Box} */
const around = (x, y, radius) => ({
	left: x - radius,
	top: y - radius,
	right: x + radius,
	bottom: y + radius,
});
