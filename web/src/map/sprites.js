/**
 * sprites.js draws each kind of marker once. A frame only copies the pixels.
 */

/** @typedef {import("../fleet.js").State} State */

/** Colours of the markers, labels and trail. */
export const PALETTE = {
	light: {
		moving: "#2563eb",
		parked: "#64748b",
		unknown: "#64748b",
		silent: "#8b95a3",
		selected: "#f59e0b",
		rim: "#ffffff",
		shadow: "rgba(15,23,42,.35)",
		glow: "rgba(15,23,42,.16)",
		text: "#1c2430",
		halo: "rgba(255,255,255,.92)",
		card: "#ffffff",
	},
	dark: {
		moving: "#4f8dff",
		parked: "#94a3b8",
		unknown: "#94a3b8",
		silent: "#6b7683",
		selected: "#fbbf24",
		rim: "#0f1319",
		shadow: "rgba(0,0,0,.6)",
		glow: "rgba(0,0,0,.35)",
		text: "#e6ebf2",
		halo: "rgba(15,19,25,.9)",
		card: "#1b222b",
	},
};

/** @typedef {typeof PALETTE.light} Colours */

/** CSS pixels along an edge of every sprite. */
export const SIZE = 40;

/** Opacity of a silent vehicle. */
export const SILENT_ALPHA = 0.5;

/** An arrowhead that points north, around (0, 0). */
const ARROW = new Path2D("M0,-11 L8,8.5 Q8.4,9.8 7,9.3 L0,6 L-7,9.3 Q-8.4,9.8 -8,8.5 Z");
const DOT = new Path2D();
DOT.arc(0, 0, 6.5, 0, 7);

/** Sprites are the markers in one set of colours, for one density of pixels. */
export class Sprites {
	/** @type {Map<string, HTMLCanvasElement>} */
	#drawn = new Map();

	/** @param {Colours} colours @param {number} ratio device pixels per CSS pixel */
	constructor(colours, ratio) {
		this.colours = colours;
		this.ratio = ratio;
	}

	/**
	 * A marker: an arrow if the direction is known, otherwise a dot; hollow if it shows a guess.
	 * @param {State} state
	 * @param {boolean} arrow
	 * @param {boolean} hollow
	 */
	marker(state, arrow, hollow) {
		const name = `${state} ${arrow} ${hollow}`;
		let sprite = this.#drawn.get(name);
		if (!sprite) {
			sprite = this.#draw(arrow ? ARROW : DOT, state, hollow);
			this.#drawn.set(name, sprite);
		}
		return sprite;
	}

	/** @param {Path2D} shape @param {State} state @param {boolean} hollow */
	#draw(shape, state, hollow) {
		const canvas = document.createElement("canvas");
		canvas.width = canvas.height = SIZE * this.ratio;
		const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
		ctx.setTransform(this.ratio, 0, 0, this.ratio, canvas.width / 2, canvas.height / 2);
		ctx.lineJoin = "round";
		ctx.lineWidth = 3.5;
		ctx.strokeStyle = this.colours.rim;
		ctx.shadowColor = state === "silent" ? "transparent" : this.colours.shadow;
		ctx.shadowBlur = 5 * this.ratio;
		ctx.shadowOffsetY = 1 * this.ratio;
		ctx.stroke(shape);
		ctx.shadowColor = "transparent";
		ctx.fillStyle = hollow ? this.colours.rim : this.colours[state];
		ctx.fill(shape);
		if (hollow) {
			ctx.clip(shape); // the outline lies inside of the shape, which keeps its size
			ctx.lineWidth = 4;
			ctx.strokeStyle = this.colours[state];
			ctx.stroke(shape);
		}
		return canvas;
	}
}
