/**
 * places.js knows the towns of the built-in base map: the one that a vehicle is near, and those of a name.
 */
import { bearing, distance } from "./geodesy.js";
import { fold, wordsOf } from "./search.js";

/** @typedef {{name: string, country: string, lon: number, lat: number}} Town `country`: ISO 3166 code */

/** Metres up to which a vehicle is near a town, and up to which it is said to be in it. */
const NEAR = 50_000;
const WITHIN = { large: 8000, small: 3000 };
/** Degrees along an edge of a cell of the index. */
const CELL = 0.5;

/**
 * @typedef {object} Data what build/basemap.mjs writes, the most populous first
 * @property {string[]} names
 * @property {string} countries two letters for each
 * @property {number[]} lon hundredths of a degree
 * @property {number[]} lat
 * @property {number} large how many of the first are large
 */

export class Places {
	/** @type {Map<number, number[]>} */ #cells = new Map();
	/** @type {string[]} */ #folded = [];
	/** @type {Data} */ #data = { names: [], countries: "", lon: [], lat: [], large: 0 };

	/** @param {Data} data */
	take(data) {
		this.#data = data;
		this.#folded = [];
		this.#cells.clear();
		data.names.forEach((_, i) => {
			const key = cell(data.lon[i] / 100, data.lat[i] / 100);
			const others = this.#cells.get(key);
			if (others) {
				others.push(i);
			} else {
				this.#cells.set(key, [i]);
			}
		});
	}

	/** Loads the towns. Without them the page works, only without names of places. @param {string} url */
	async load(url) {
		const answer = await fetch(url).catch(() => null);
		if (answer?.ok) {
			this.take(await answer.json());
		}
	}

	/** @param {number} i @returns {Town} */
	#town(i) {
		const { names, countries, lon, lat } = this.#data;
		return { name: names[i], country: countries.slice(2 * i, 2 * i + 2), lon: lon[i] / 100, lat: lat[i] / 100 };
	}

	/**
	 * The nearest town within reason, how far it is, and in which direction the place lies from it.
	 * @param {{lon: number, lat: number}} place
	 * @returns {{town: Town, metres: number, within: boolean, course: number} | null}
	 */
	nearest(place) {
		const high = NEAR / 111_000;
		const wide = Math.min(180, high / Math.max(0.01, Math.cos((place.lat * Math.PI) / 180)));
		let best = -1;
		let metres = NEAR;
		for (let lat = place.lat - high; lat < place.lat + high + CELL; lat += CELL) {
			for (let lon = place.lon - wide; lon < place.lon + wide + CELL; lon += CELL) {
				for (const i of this.#cells.get(cell(lon, lat)) ?? []) {
					const away = distance(place, { lon: this.#data.lon[i] / 100, lat: this.#data.lat[i] / 100 });
					if (away < metres) {
						metres = away;
						best = i;
					}
				}
			}
		}
		if (best < 0) {
			return null;
		}
		const town = this.#town(best);
		const within = metres <= (best < this.#data.large ? WITHIN.large : WITHIN.small);
		return { town, metres, within, course: bearing(town, place) };
	}

	/**
	 * The towns whose names have all words, those that begin with them first, then the most populous.
	 * @param {string} q
	 * @param {number} limit
	 * @returns {Town[]}
	 */
	find(q, limit) {
		const words = wordsOf(q);
		if (words.length === 0) {
			return [];
		}
		if (this.#folded.length !== this.#data.names.length) {
			this.#folded = this.#data.names.map(fold);
		}
		/** @type {number[]} */ const begin = [];
		/** @type {number[]} */ const others = [];
		for (let i = 0; i < this.#folded.length && begin.length < limit; i++) {
			const name = this.#folded[i];
			if (name.startsWith(words.join(" "))) {
				begin.push(i);
			} else if (others.length < limit && words.every((word) => name.includes(word))) {
				others.push(i);
			}
		}
		return [...begin, ...others].slice(0, limit).map((i) => this.#town(i));
	}
}

/** The cell of a place; longitudes are wrapped. @param {number} lon @param {number} lat */
function cell(lon, lat) {
	const columns = 360 / CELL;
	const x = Math.floor((lon + 180) / CELL);
	return Math.floor((lat + 90) / CELL) * columns + (((x % columns) + columns) % columns);
}
