/**
 * markers.js draws the vehicles on a canvas over the map: arrows, dots, clusters and labels, each at its
 * vehicle's current position.
 *
 * It uses a canvas of its own, because a MapLibre GeoJSON source needs some 190 ms of a worker to move 10,000
 * points once. The map below is not redrawn when vehicles move.
 */
import { clustered } from "./clusters.js";
import { idText } from "../id.js";
import { EARTH_CIRCUMFERENCE, project } from "../fleet.js";
import { PALETTE, SILENT_ALPHA, SIZE, Sprites } from "./sprites.js";

/** @typedef {import("./clusters.js").Marker} Marker */
/** @typedef {import("./clusters.js").Cluster} Cluster */

/** The zoom from which every vehicle is drawn by itself. */
const UNCLUSTERED_FROM = 14;
/** The zoom from which vehicles have labels; a view of few vehicles has labels at any zoom. */
const LABELS_FROM = 11;
const LABELS_UP_TO = 25;
/** The most labels in one frame; more would be unreadable. */
const MAX_LABELS = 150;
/** CSS pixels around a click that hit a marker. */
const HIT_RADIUS = 16;
/** CSS pixels beyond the edge in which markers are drawn. */
const MARGIN = 40;
/** Pause after a frame, in multiples of its duration. */
const IDLE_FACTOR = 2;
/** CSS pixels of movement that need a new frame. */
const MIN_MOVE = 0.25;
/** A place is a guess from so many seconds after its fix, and CSS pixels away from it. */
const GUESS = { age: 3, distance: 4 };
/** CSS pixels: a circle of accuracy is drawn from the least up to the most. */
const ACCURACY_RADIUS = { least: 10, most: 20_000 };
/**
 * Milliseconds until a new position is drawn, and the most between two frames, because vehicles fall silent.
 */
const UPDATE_DELAY = 100;
const MAX_DELAY = 1000;

export class Markers {
	/** The vehicle drawn on top and never clustered. @type {string | null} */
	selected = null;
	/** @type {import("../filter.js").Filter["shows"]} */
	filter = () => true;
	/** @type {(() => void) | null} */
	onFrame = null;

	/** @type {Marker[]} */ #single = [];
	/** @type {Cluster[]} */ #clusters = [];
	/** @type {Map<string, number>} */ #widths = new Map();
	#sprites = new Sprites(PALETTE.light, 1);
	#reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
	#width = 0;
	#height = 0;
	#lastDraw = 0; // in ms of performance.now()
	#nextDraw = 0; // when the next frame is due
	#notBefore = 0; // the earliest next frame
	frames = 0;

	/** @param {import("./map.js").PageMap} map @param {import("../fleet.js").Fleet} fleet */
	constructor(map, fleet) {
		this.map = map;
		this.fleet = fleet;
		this.canvas = document.createElement("canvas");
		this.canvas.className = "markers";
		this.canvas.setAttribute("aria-hidden", "true");
		this.ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
		map.overlay(this.canvas);
		map.on("resize", () => this.#resize());
		map.on("render", () => this.#draw()); // in the map's own frame, so that markers do not lag
		this.#resize();
		requestAnimationFrame(this.#loop);
	}

	/** @param {boolean} dark */
	setDark(dark) {
		this.#sprites = new Sprites(dark ? PALETTE.dark : PALETTE.light, window.devicePixelRatio);
		this.redraw();
	}

	/** Draws in the next frame. */
	redraw() {
		this.#nextDraw = 0;
	}

	/** Draws soon after a vehicle has changed. */
	changed() {
		this.#nextDraw = Math.min(this.#nextDraw, this.#lastDraw + UPDATE_DELAY);
	}

	/**
	 * The marker or cluster at a point of the map.
	 * @param {{x: number, y: number}} point CSS pixels
	 * @returns {{marker?: Marker, cluster?: Cluster}}
	 */
	hit({ x, y }) {
		const cluster = this.#clusters.find((c) => Math.hypot(c.left - x, c.top - y) < c.radius + 2);
		/** @type {Marker | undefined} */
		let marker;
		let best = HIT_RADIUS;
		for (const one of this.#single) {
			const distance = Math.hypot(one.left - x, one.top - y);
			if (distance <= best) {
				best = distance;
				marker = one;
			}
		}
		return marker && (marker.vehicle.id === this.selected || !cluster) ? { marker } : { cluster };
	}

	/** The markers and clusters of the last frame. */
	get drawn() {
		return { single: this.#single, clusters: this.#clusters };
	}

	#resize() {
		const { width, height } = this.map.size;
		const ratio = window.devicePixelRatio;
		this.#width = width;
		this.#height = height;
		this.canvas.width = Math.round(width * ratio);
		this.canvas.height = Math.round(height * ratio);
		this.#sprites = new Sprites(this.#sprites.colours, ratio);
		this.redraw();
	}

	#loop = () => {
		requestAnimationFrame(this.#loop);
		const now = performance.now();
		if (now >= Math.max(this.#nextDraw, this.#notBefore)) {
			this.#draw();
			this.onFrame?.();
		}
	};

	#draw() {
		const begun = performance.now();
		this.frames++;
		const zoom = this.map.zoom;
		const now = this.fleet.clock();
		const { markers, fastest } = this.#visible(now, zoom);
		if (zoom < UNCLUSTERED_FROM) {
			const chosen = markers.findIndex((m) => m.vehicle.id === this.selected);
			const selected = chosen >= 0 ? markers.splice(chosen, 1) : [];
			const { single, clusters } = clustered(markers, zoom);
			this.#single = single.concat(selected);
			this.#clusters = clusters;
		} else {
			this.#single = markers;
			this.#clusters = [];
		}
		this.#paint(zoom);
		this.#lastDraw = performance.now();
		this.#nextDraw = begun + Math.min(MAX_DELAY, (1000 * MIN_MOVE) / fastest);
		this.#notBefore = this.#lastDraw + IDLE_FACTOR * (this.#lastDraw - begun);
	}

	/**
	 * The markers on the screen, in every visible copy of the world, and the highest speed in CSS pixels per
	 * second.
	 * @param {number} now @param {number} zoom
	 */
	#visible(now, zoom) {
		const stateOf = this.fleet.states();
		const still = this.#reducedMotion.matches || this.fleet.frozen;
		const centre = project(...this.map.center);
		const world = 512 * 2 ** zoom; // MapLibre's tiles are 512 pixels wide
		/** @type {Marker[]} */
		const markers = [];
		let fastest = 0;
		for (const vehicle of this.fleet.vehicles.values()) {
			const state = stateOf(vehicle);
			if (!vehicle.streamed || (!this.filter(vehicle, state) && vehicle.id !== this.selected)) {
				continue;
			}
			const { x, y } = still ? vehicle : vehicle.positionAt(now);
			const top = (y - centre.y) * world + this.#height / 2;
			if (top < -MARGIN || top > this.#height + MARGIN) {
				continue;
			}
			const left = (x - centre.x) * world + this.#width / 2;
			const moved = still || vehicle.age(now) < GUESS.age ? 0 : vehicle.extrapolation(now) * world;
			const arrow = vehicle.motion === "moving" && vehicle.course !== null;
			const derived = vehicle.speedDerived || (arrow && vehicle.courseDerived);
			const guess = derived || moved >= GUESS.distance;
			for (
				let copy = left - world * Math.floor((left + MARGIN) / world);
				copy < this.#width + MARGIN;
				copy += world
			) {
				fastest = Math.max(fastest, vehicle.drawnSpeed(now) * world);
				markers.push({ vehicle, state, x, y, left: copy, top, guess });
			}
		}
		return { markers, fastest: still ? 0 : fastest };
	}

	/** @param {number} zoom */
	#paint(zoom) {
		const { ctx } = this;
		const ratio = this.#sprites.ratio;
		ctx.setTransform(1, 0, 0, 1, 0, 0);
		ctx.clearRect(0, 0, this.canvas.width, this.canvas.height);
		for (const state of ["silent", "unknown", "parked", "moving"]) {
			for (const marker of this.#single) {
				if (marker.state === state && marker.vehicle.id !== this.selected) {
					this.#marker(marker, ratio);
				}
			}
		}
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		this.#clusters.forEach((c) => this.#cluster(c));
		for (const marker of this.#single) {
			if (marker.vehicle.id === this.selected) {
				this.#lastFix(marker, ratio);
				this.#halo(marker, ratio);
				this.#marker(marker, ratio);
			}
		}
		ctx.globalAlpha = 1;
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		this.#labels(zoom >= LABELS_FROM || this.#single.length <= LABELS_UP_TO);
	}

	/** @param {Marker} marker @param {number} ratio */
	#marker({ vehicle, state, left, top, guess }, ratio) {
		const arrow = vehicle.course !== null && vehicle.motion === "moving";
		const turn = arrow ? ((vehicle.course ?? 0) * Math.PI) / 180 : 0;
		const cos = Math.cos(turn);
		const sin = Math.sin(turn);
		this.ctx.globalAlpha = state === "silent" ? SILENT_ALPHA : 1;
		this.ctx.setTransform(cos, sin, -sin, cos, left * ratio, top * ratio);
		const half = (SIZE * ratio) / 2;
		this.ctx.drawImage(this.#sprites.marker(state, arrow, guess), -half, -half);
	}

	/**
	 * Draws the last fix of a vehicle that is drawn elsewhere, and the circle in which it was.
	 * @param {Marker} marker @param {number} ratio
	 */
	#lastFix({ vehicle, x, y, left, top, guess }, ratio) {
		const { ctx } = this;
		const { selected, rim } = this.#sprites.colours;
		const world = 512 * 2 ** this.map.zoom;
		const [fixLeft, fixTop] = [left - (x - vehicle.x) * world, top - (y - vehicle.y) * world];
		const metres = EARTH_CIRCUMFERENCE * Math.cos((vehicle.lat * Math.PI) / 180);
		const radius = ((vehicle.feature.properties.accuracy ?? 0) / metres) * world;
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
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
		if (guess && Math.hypot(left - fixLeft, top - fixTop) >= GUESS.distance) {
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

	/** @param {Marker} marker @param {number} ratio */
	#halo({ left, top }, ratio) {
		const { ctx } = this;
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		ctx.globalAlpha = 0.28;
		ctx.fillStyle = this.#sprites.colours.selected;
		ctx.beginPath();
		ctx.arc(left, top, 20, 0, 7);
		ctx.fill();
		ctx.globalAlpha = 1;
		ctx.lineWidth = 2.5;
		ctx.strokeStyle = this.#sprites.colours.selected;
		ctx.stroke();
	}

	/** Draws a disc with the count, and a ring with the share of each state. @param {Cluster} cluster */
	#cluster({ markers, states, left, top, radius }) {
		const { ctx } = this;
		const { colours } = this.#sprites;
		ctx.globalAlpha = 1;
		for (const [beyond, colour] of /** @type {[number, string][]} */ ([
			[3.5, colours.glow],
			[1.5, colours.rim],
		])) {
			ctx.beginPath(); // cheaper than the canvas's own blurred shadows
			ctx.arc(left, top, radius + beyond, 0, 7);
			ctx.fillStyle = colour;
			ctx.fill();
		}
		let from = -Math.PI / 2;
		for (const state of /** @type {const} */ (["moving", "parked", "unknown", "silent"])) {
			if (states[state] === 0) {
				continue;
			}
			ctx.beginPath();
			ctx.arc(left, top, radius - 1.5, from, (from += (states[state] / markers.length) * 2 * Math.PI));
			ctx.lineWidth = 4;
			ctx.strokeStyle = colours[state];
			ctx.stroke();
		}
		ctx.beginPath();
		ctx.arc(left, top, radius - 3.5, 0, 7);
		ctx.fillStyle = colours.card;
		ctx.fill();
		ctx.fillStyle = colours.text;
		ctx.font = "600 12px system-ui, sans-serif";
		ctx.textAlign = "center";
		ctx.textBaseline = "middle";
		ctx.fillText(compactCount(markers.length), left, top + 0.5);
	}

	/**
	 * Draws labels beside the markers where they cover no other label.
	 * @param {boolean} all false: only the selected vehicle's
	 */
	#labels(all) {
		const { ctx } = this;
		const { colours } = this.#sprites;
		ctx.font = "600 12px system-ui, sans-serif";
		ctx.textAlign = "left";
		ctx.textBaseline = "middle";
		ctx.lineJoin = "round";
		ctx.lineWidth = 3.5;
		ctx.strokeStyle = colours.halo;
		/** @type {Set<number>} */
		const reserved = new Set();
		let written = 0;
		for (let i = this.#single.length - 1; i >= 0 && written < MAX_LABELS; i--) {
			const { vehicle, left, top, state } = this.#single[i];
			if (!all && vehicle.id !== this.selected) {
				continue;
			}
			const label = this.#labelOf(vehicle.id);
			if (this.#reserve(reserved, left + 13, top, this.#widthOf(label))) {
				ctx.fillStyle = state === "silent" ? colours.parked : colours.text;
				ctx.strokeText(label, left + 13, top);
				ctx.fillText(label, left + 13, top);
				written++;
			}
		}
	}

	/**
	 * Reserves the place of a label, unless another label overlaps it.
	 * @param {Set<number>} reserved cells of 16 CSS pixels
	 * @param {number} left
	 * @param {number} top
	 * @param {number} width
	 */
	#reserve(reserved, left, top, width) {
		const row = Math.floor(top / 16);
		const first = Math.floor(left / 16);
		const last = Math.floor((left + width) / 16);
		for (let column = first; column <= last; column++) {
			if (reserved.has(row * 4096 + column)) {
				return false;
			}
		}
		for (let column = first; column <= last; column++) {
			reserved.add(row * 4096 + column);
		}
		return true;
	}

	/** An id with what tells it from others. @param {string} id */
	#labelOf(id) {
		const tag = this.fleet.difference(id);
		return idText(id) + (tag && ` (${tag})`);
	}

	/** @param {string} label */
	#widthOf(label) {
		let width = this.#widths.get(label);
		if (width === undefined) {
			width = this.ctx.measureText(label).width;
			if (this.#widths.size > 5000) {
				this.#widths.clear();
			}
			this.#widths.set(label, width);
		}
		return width;
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
