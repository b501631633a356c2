/**
 * sprites.js draws each kind of marker once. A frame only copies the pixels.
 */
import { glyphOf, KINDS } from "./kinds.js";

/** @typedef {import("../fleet.js").State} State */
/** @typedef {import("./kinds.js").Kind} Kind */

/**
 * Colours of the markers, labels and trail. Those of `values` stand for values of a property, those of
 * `steps` for ranges of a number. All of them contrast with `rim` and with the map by 3 to 1, and none is
 * like that of silent vehicles.
 */
export const PALETTE = {
	light: {
		moving: "#2563eb",
		parked: "#64748b",
		unknown: "#64748b",
		silent: "#f59e0b",
		silentRim: "#7c2d12", // amber does not contrast with a light map, so its rim does
		badge: "#1c1300", // text on that of silence
		selected: "#a21caf",
		rim: "#ffffff",
		shadow: "rgba(15,23,42,.35)",
		glow: "rgba(15,23,42,.16)",
		text: "#1c2430",
		quiet: "#4d5867",
		halo: "rgba(255,255,255,.92)",
		card: "#ffffff",
		values: ["#1f5fd0", "#0f7a5a", "#8b35c9", "#c2255c", "#0b7285", "#5c6f00", "#7a4a2b", "#343a40"],
		steps: ["#0b7285", "#364fc7", "#7048c8", "#a61e8d", "#c2255c"],
	},
	dark: {
		moving: "#5b96ff",
		parked: "#94a3b8",
		unknown: "#94a3b8",
		silent: "#fbbf24",
		silentRim: "#0f1319",
		badge: "#1c1300",
		selected: "#e879f9",
		rim: "#0f1319",
		shadow: "rgba(0,0,0,.6)",
		glow: "rgba(0,0,0,.35)",
		text: "#e6ebf2",
		quiet: "#b3bdc9",
		halo: "rgba(15,19,25,.9)",
		card: "#1b222b",
		values: ["#6ea8ff", "#3ddc97", "#c792ff", "#ff7aa8", "#4dd4e6", "#c3d94e", "#d2a27c", "#e6ebf2"],
		steps: ["#4dd4e6", "#6ea8ff", "#a695ff", "#dd86f0", "#ff7aa8"],
	},
};

/** @typedef {typeof PALETTE.light} Colours */

/** CSS pixels along an edge of every sprite. */
export const SIZE = 44;
/** Directions in which a sprite is drawn. */
const DIRECTIONS = 72;
/** The most sprites that are kept; each has some 30 KB on a dense screen. */
const MAX_SPRITES = 1500;

/** An arrowhead that points north, around (0, 0). */
const ARROW = "M0,-11 L8,8.5 Q8.4,9.8 7,9.3 L0,6 L-7,9.3 Q-8.4,9.8 -8,8.5 Z";
const DOT = "M-6.5,0 a6.5,6.5 0 1 0 13,0 a6.5,6.5 0 1 0 -13,0 Z";
/** A disc for a glyph, with a nose to the north and without. */
const NOSED = "M-7.2,-8.3 Q-3.4,-11.4 0,-16 Q3.4,-11.4 7.2,-8.3 A11,11 0 1 1 -7.2,-8.3 Z";
const DISC = "M-11,0 a11,11 0 1 0 22,0 a11,11 0 1 0 -22,0 Z";
/** CSS pixels of a glyph's edge. */
const GLYPH = 14.5;

/**
 * What a marker looks like.
 * @typedef {object} Look
 * @property {Kind} kind
 * @property {State} state
 * @property {string | null} colour null: that of its state. A silent vehicle has the colour of silence
 * @property {number | null} course degrees clockwise from north; null: it has no direction
 * @property {boolean} guess whether place or direction is a guess, which is hollow
 */

/** Sprites are the markers in one set of colours, for one density of pixels. */
export class Sprites {
	/** @type {Map<number, HTMLCanvasElement>} */ #drawn = new Map();
	/** A number for each colour. @type {Map<string, number>} */ #numbers = new Map();

	/** @param {Colours} colours @param {number} ratio device pixels per CSS pixel */
	constructor(colours, ratio) {
		this.colours = colours;
		this.ratio = ratio;
	}

	/**
	 * A marker: with a direction if that is known, and with a glyph if its kind has one.
	 * @param {Look} look
	 */
	marker({ kind, state, colour, course, guess }) {
		const own = state === "silent" || colour === null ? this.colours[state] : colour;
		const turn = Math.round(((course ?? 0) * DIRECTIONS) / 360) % DIRECTIONS;
		const direction = course === null ? DIRECTIONS : (turn + DIRECTIONS) % DIRECTIONS;
		const key =
			((this.#numberOf(own) * KINDS.length + KINDS.indexOf(kind)) * 4 +
				(guess ? 2 : 0) +
				(state === "silent" ? 1 : 0)) *
				(DIRECTIONS + 1) +
			direction;
		let sprite = this.#drawn.get(key);
		if (!sprite) {
			if (this.#drawn.size >= MAX_SPRITES) {
				this.#drawn.clear();
			}
			const radians = course === null ? null : (direction / DIRECTIONS) * 2 * Math.PI;
			sprite = this.#draw({ kind, silent: state === "silent", colour: own, turn: radians, guess });
			this.#drawn.set(key, sprite);
		}
		return sprite;
	}

	/** @param {string} colour */
	#numberOf(colour) {
		let number = this.#numbers.get(colour);
		if (number === undefined) {
			number = this.#numbers.size;
			this.#numbers.set(colour, number);
		}
		return number;
	}

	/** @param {{kind: Kind, silent: boolean, colour: string, turn: number | null, guess: boolean}} look */
	#draw({ kind, silent, colour, turn, guess }) {
		const { ratio, colours } = this;
		const canvas = document.createElement("canvas");
		canvas.width = canvas.height = SIZE * ratio;
		const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
		const glyph = glyphOf(kind);
		const shape = new Path2D(turn === null ? (glyph ? DISC : DOT) : glyph ? NOSED : ARROW);
		const rim = silent ? colours.silentRim : colours.rim;
		const inside = guess ? colours.rim : colour;
		ctx.setTransform(ratio, 0, 0, ratio, canvas.width / 2, canvas.height / 2);
		ctx.save();
		ctx.rotate(turn ?? 0);
		ctx.lineJoin = "round";
		ctx.lineWidth = 3.5;
		ctx.strokeStyle = rim;
		ctx.shadowColor = colours.shadow;
		ctx.shadowBlur = 5 * ratio;
		ctx.shadowOffsetY = 1 * ratio;
		ctx.stroke(shape);
		ctx.shadowColor = "transparent";
		ctx.fillStyle = inside;
		ctx.fill(shape);
		if (guess) {
			ctx.clip(shape); // the outline lies inside of the shape, which keeps its size
			ctx.lineWidth = glyph ? 5 : 4;
			ctx.strokeStyle = colour;
			ctx.stroke(shape);
		}
		ctx.restore();
		if (glyph) {
			ctx.scale(GLYPH / 16, GLYPH / 16);
			ctx.rotate(glyph.turns ? (turn ?? 0) : 0);
			ctx.translate(-8, -8);
			const ink = guess ? (silent ? rim : colour) : rim;
			for (const [path, fill] of /** @type {const} */ ([
				[glyph.fill, ink],
				[glyph.cut, inside],
				[glyph.over, ink],
			])) {
				if (path) {
					ctx.fillStyle = fill;
					ctx.fill(path);
				}
			}
		}
		return canvas;
	}
}
