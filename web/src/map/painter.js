/**
 * painter.js paints markers, clusters and labels on a canvas.
 */
import { EARTH_CIRCUMFERENCE } from "../fleet.js";
import { LINE_HEIGHT } from "./labels.js";
import { SIZE } from "./sprites.js";

/** @typedef {import("./clusters.js").Marker} Marker */
/** @typedef {import("./clusters.js").Cluster} Cluster */

/** CSS pixels from a fix from which a place is visibly away from it. */
export const GUESS_DISTANCE = 4;
/** CSS pixels: a circle of accuracy is drawn from the least up to the most. */
const ACCURACY_RADIUS = { least: 10, most: 20_000 };
/** The least part of a cluster's ring that says that some are silent. */
const SILENT_SHARE = 1 / 6;
const FONT = "600 12px system-ui, sans-serif"; // of labels

export class Painter {
	#ctx;

	/**
	 * @param {HTMLCanvasElement} canvas
	 * @param {import("./sprites.js").Sprites} sprites
	 * @param {boolean} inSoftware whether the processor draws: then it takes half as long without WebGL
	 */
	constructor(canvas, sprites, inSoftware) {
		const options = { willReadFrequently: inSoftware };
		this.#ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", options));
		this.sprites = sprites;
	}

	clear() {
		const { canvas } = this.#ctx;
		this.#ctx.setTransform(1, 0, 0, 1, 0, 0);
		this.#ctx.clearRect(0, 0, canvas.width, canvas.height);
	}

	/** Paints in CSS pixels from now on. */
	#scaled() {
		const { ratio } = this.sprites;
		this.#ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		this.#ctx.globalAlpha = 1;
		return this.#ctx;
	}

	/** @param {Marker} marker @param {string | null} colour null: that of its state */
	marker({ vehicle, state, left, top, guess, course }, colour) {
		const arrow = vehicle.course !== null && vehicle.motion === "moving";
		const sprite = this.sprites.marker({
			kind: vehicle.kind ?? vehicle.topicKind ?? "other",
			state,
			colour,
			course: arrow ? course : null,
			guess,
		});
		const { ratio } = this.sprites;
		const half = (SIZE * ratio) / 2;
		this.#ctx.globalAlpha = 1;
		this.#ctx.setTransform(1, 0, 0, 1, left * ratio - half, top * ratio - half);
		this.#ctx.drawImage(sprite, 0, 0);
	}

	/**
	 * Draws the last fix of a vehicle that is drawn elsewhere, and the circle in which it was.
	 * @param {Marker} marker @param {number} world CSS pixels
	 */
	lastFix({ vehicle, x, y, left, top, guess }, world) {
		const ctx = this.#scaled();
		const { selected, rim } = this.sprites.colours;
		const [fixLeft, fixTop] = [left - (x - vehicle.x) * world, top - (y - vehicle.y) * world];
		const metres = EARTH_CIRCUMFERENCE * Math.cos((vehicle.lat * Math.PI) / 180);
		const radius = ((vehicle.feature.properties.accuracy ?? 0) / metres) * world;
		ctx.strokeStyle = selected;
		ctx.lineWidth = 1.5;
		if (radius >= ACCURACY_RADIUS.least && radius <= ACCURACY_RADIUS.most) {
			ctx.beginPath();
			ctx.arc(fixLeft, fixTop, radius, 0, 7);
			ctx.globalAlpha = 0.12;
			ctx.fillStyle = selected;
			ctx.fill();
			ctx.globalAlpha = 0.8;
			ctx.stroke();
		}
		if (guess && Math.hypot(left - fixLeft, top - fixTop) >= GUESS_DISTANCE) {
			ctx.globalAlpha = 1;
			ctx.setLineDash([4, 4]);
			ctx.beginPath();
			ctx.moveTo(fixLeft, fixTop);
			ctx.lineTo(left, top);
			ctx.stroke();
			ctx.setLineDash([]);
			ctx.beginPath();
			ctx.arc(fixLeft, fixTop, 5, 0, 7);
			ctx.fillStyle = selected;
			ctx.fill();
			ctx.lineWidth = 2;
			ctx.strokeStyle = rim;
			ctx.stroke();
		}
	}

	/** Draws the ring around the selected vehicle. @param {Marker} marker */
	halo({ left, top }) {
		const ctx = this.#scaled();
		ctx.globalAlpha = 0.28;
		ctx.fillStyle = this.sprites.colours.selected;
		ctx.beginPath();
		ctx.arc(left, top, 20, 0, 7);
		ctx.fill();
		ctx.globalAlpha = 1;
		ctx.lineWidth = 2.5;
		ctx.strokeStyle = this.sprites.colours.selected;
		ctx.stroke();
	}

	/**
	 * Draws a disc with the count, and a ring with the share of each state. One that is silent is seen in any
	 * crowd: on the ring, and in a badge.
	 * @param {Cluster} cluster
	 */
	cluster({ markers, states, left, top, radius }) {
		const ctx = this.#scaled();
		const { colours } = this.sprites;
		this.#disc(left, top, radius + 3.5, colours.glow);
		this.#disc(left, top, radius + 1.5, states.silent > 0 ? colours.silentRim : colours.rim);
		const least = states.silent > 0 ? SILENT_SHARE : 0;
		const silent = Math.max(least, states.silent / markers.length);
		const other = (1 - silent) / Math.max(1, markers.length - states.silent);
		let from = -Math.PI / 2;
		for (const state of /** @type {const} */ (["silent", "unknown", "parked", "moving"])) {
			const share = state === "silent" ? silent : states[state] * other;
			if (share > 0) {
				ctx.beginPath();
				ctx.arc(left, top, radius - 1.5, from, (from += share * 2 * Math.PI));
				ctx.lineWidth = 4;
				ctx.strokeStyle = colours[state];
				ctx.stroke();
			}
		}
		this.#disc(left, top, radius - 3.5, colours.card);
		this.#count(markers.length, left, top, 12, colours.text);
		if (states.silent > 0) {
			const [x, y] = [left + radius * 0.75, top - radius * 0.75];
			const wide = states.silent > 99 ? 12 : 9;
			this.#disc(x, y, wide, colours.silentRim);
			this.#disc(x, y, wide - 1.5, colours.silent);
			this.#count(states.silent, x, y, 10, colours.badge);
		}
	}

	/** @param {number} x @param {number} y @param {number} radius @param {string} colour */
	#disc(x, y, radius, colour) {
		this.#ctx.beginPath(); // cheaper than the canvas's own blurred shadows
		this.#ctx.arc(x, y, radius, 0, 7);
		this.#ctx.fillStyle = colour;
		this.#ctx.fill();
	}

	/** @param {number} count @param {number} x @param {number} y @param {number} size @param {string} colour */
	#count(count, x, y, size, colour) {
		const ctx = this.#ctx;
		ctx.fillStyle = colour;
		ctx.font = `600 ${size}px system-ui, sans-serif`;
		ctx.textAlign = "center";
		ctx.textBaseline = "middle";
		ctx.fillText(compactCount(count), x, y + 0.5);
	}

	/** @param {import("./labels.js").Label[]} labels */
	labels(labels) {
		const ctx = this.#scaled();
		const { colours } = this.sprites;
		ctx.font = FONT;
		ctx.textBaseline = "middle";
		ctx.lineJoin = "round";
		ctx.lineWidth = 3.5;
		ctx.strokeStyle = colours.halo;
		for (const { lines, align, x, y, marker } of labels) {
			ctx.textAlign = align;
			ctx.fillStyle = marker.state === "parked" ? colours.quiet : colours.text;
			lines.forEach((line, i) => {
				ctx.strokeText(line, x, y + i * LINE_HEIGHT);
				ctx.fillText(line, x, y + i * LINE_HEIGHT);
			});
		}
	}

	/** CSS pixels of a label's line. @param {string} line */
	widthOf(line) {
		this.#ctx.font = FONT;
		return this.#ctx.measureText(line).width;
	}
}

/** A count of at most four characters. @param {number} count */
function compactCount(count) {
	return count < 1000
		? String(count)
		: count < 10_000
			? `${(count / 1000).toFixed(1)}k`
			: `${Math.round(count / 1000)}k`;
}
