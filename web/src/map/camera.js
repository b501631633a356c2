/**
 * camera.js computes what a flat map shows: its centre, zoom and size. It counts zooms as MapLibre does.
 */
import { project, unproject } from "../fleet.js";

/** @typedef {{x: number, y: number}} Point CSS pixels from the map's top left corner */
/** @typedef {[number, number]} LonLat degrees */

/** CSS pixels of the world's width at zoom 0. */
const TILE = 512;
export const ZOOMS = { least: 0.5, most: 20 };

export class Camera {
	#x = 0.5; // the centre, in the unit square
	#y = 0.5;
	zoom = 1.5;
	width = 0;
	height = 0;

	/** CSS pixels of the world's width. */
	get world() {
		return TILE * 2 ** this.zoom;
	}

	/** @returns {LonLat} */
	get center() {
		return unproject(this.#x, this.#y);
	}

	/** @param {number} width @param {number} height CSS pixels */
	resize(width, height) {
		this.width = width;
		this.height = height;
		this.#limit();
	}

	/** @param {LonLat} center @param {number} [zoom] */
	moveTo([lon, lat], zoom = this.zoom) {
		const { x, y } = project(lon, lat);
		[this.#x, this.#y, this.zoom] = [x, y, zoom];
		this.#limit();
	}

	/** Moves the ground. @param {number} right @param {number} down CSS pixels */
	panBy(right, down) {
		this.#x -= right / this.world;
		this.#y -= down / this.world;
		this.#limit();
	}

	/**
	 * Zooms, and keeps the place at a point.
	 * @param {number} levels
	 * @param {Point} [at] the centre by default
	 */
	zoomBy(levels, { x, y } = { x: this.width / 2, y: this.height / 2 }) {
		const [right, down] = [x - this.width / 2, y - this.height / 2];
		const before = this.world;
		this.zoom = Math.min(ZOOMS.most, Math.max(ZOOMS.least, this.zoom + levels));
		this.#x += right / before - right / this.world;
		this.#y += down / before - down / this.world;
		this.#limit();
	}

	/**
	 * Shows a box.
	 * @param {import("./viewport.js").Box} box
	 * @param {{padding: number, maxZoom: number}} options CSS pixels around the box
	 */
	fit([west, south, east, north], { padding, maxZoom }) {
		const [a, b] = [project(west, north), project(east, south)];
		const wide = Math.max(1, this.width - 2 * padding) / (b.x - a.x);
		const high = Math.max(1, this.height - 2 * padding) / (b.y - a.y);
		[this.#x, this.#y] = [(a.x + b.x) / 2, (a.y + b.y) / 2];
		this.zoom = Math.min(maxZoom, Math.log2(Math.min(wide, high) / TILE));
		this.#limit();
	}

	/** @param {LonLat} place @returns {Point} */
	project([lon, lat]) {
		const { x, y } = project(lon, lat);
		return {
			x: (x - this.#x) * this.world + this.width / 2,
			y: (y - this.#y) * this.world + this.height / 2,
		};
	}

	/** @param {Point} point @returns {LonLat} the longitude may be beyond ±180 */
	unproject({ x, y }) {
		const [right, down] = [x - this.width / 2, y - this.height / 2];
		return unproject(this.#x + right / this.world, this.#y + down / this.world);
	}

	/** @returns {import("./viewport.js").Box} */
	bounds() {
		const [west, north] = this.unproject({ x: 0, y: 0 });
		const [east, south] = this.unproject({ x: this.width, y: this.height });
		return [west, south, east, north];
	}

	/** Keeps what is beyond the poles out of the view, and the centre in the world. */
	#limit() {
		const filled = Math.log2(this.height / TILE); // the world is as high as the view
		this.zoom = Math.min(ZOOMS.most, Math.max(ZOOMS.least, filled, this.zoom));
		const half = this.height / 2 / this.world;
		this.#y = Math.min(1 - half, Math.max(half, this.#y));
		this.#x -= Math.floor(this.#x);
	}
}
