/**
 * markers.js draws the vehicles on a canvas over the map: arrows, dots, clusters and labels, each at its
 * vehicle's current position.
 *
 * It uses a canvas of its own, because a MapLibre GeoJSON source needs some 190 ms of a worker to move 10,000
 * points once. The map below is not redrawn when vehicles move.
 */
import { project } from "../fleet.js";
import { idText } from "../id.js";
import { CLUSTER_MARGIN, clustered } from "./clusters.js";
import { Colouring } from "./colouring.js";
import { labelLines, Labels } from "./labels.js";
import { GUESS_DISTANCE, Painter } from "./painter.js";
import { PALETTE, Sprites } from "./sprites.js";

/** @typedef {import("./clusters.js").Marker} Marker */
/** @typedef {import("./clusters.js").Cluster} Cluster */

/** The zoom from which vehicles have labels; a view of few vehicles has labels at any zoom. */
const LABELS_FROM = 11;
const LABELS_UP_TO = 25;
/** CSS pixels around a click that hit a marker. */
const HIT_RADIUS = 16;
/**
 * Milliseconds until the names of the map give way after the view has moved, and the least and the most after
 * vehicles have. That redraws the map, which holds up some frame: as many times as long, `rest`, they wait.
 */
const AVOID_INTERVAL = { view: 300, least: 2000, most: 120_000, rest: 200 };
/** The most markers that names give way to. */
const MAX_AVOIDED = 300;
/** Pause after a frame, in multiples of what it costs. */
const IDLE_FACTOR = 2;
/** Milliseconds between two frames of a browser that is not held up. */
const FRAME = 17;
/** CSS pixels of movement that need a new frame. */
const MIN_MOVE = 0.25;
/** A place is a guess from so many seconds after its fix, if it is visibly away from it. */
const GUESS_AGE = 3;
/**
 * Milliseconds until a new position is drawn, and the most between two frames, because vehicles fall silent.
 */
const UPDATE_DELAY = 100;
const MAX_DELAY = 1000;

export class Markers {
	/** The vehicle drawn on top and never clustered. @type {string | null} */
	selected = null;
	/** The vehicle under the pointer. @type {string | null} */
	hovered = null;
	colouring = new Colouring(PALETTE.light);
	/** @type {import("../filter.js").Filter["shows"]} */
	filter = () => true;
	/** @type {(() => void) | null} */
	onFrame = null;

	/** @type {Marker[]} */ #single = [];
	/** @type {Cluster[]} */ #clusters = [];
	#painter;
	#placing = new Labels();
	/** @type {import("./labels.js").Label[]} */ #labels = [];
	/** Texts of labels by what they are of. @type {Map<string, {lines: string[], width: number}>} */
	#texts = new Map();
	/** What the map's names give way to, since when, and the most that a frame has cost since. */
	#avoided = { time: 0, what: "", view: "", cost: 0 };
	#reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
	#width = 0;
	#height = 0;
	#lastDraw = 0; // in ms of performance.now()
	#nextDraw = 0; // when the next frame is due
	#notBefore = 0; // the earliest next frame
	#requested = false; // the browser will call #frame
	#measuring = false; // the next call of #frame shows what the last one has cost
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#timerAt = Infinity; // when the timer is due
	frames = 0;

	/** @param {import("./map.js").PageMap} map @param {import("../fleet.js").Fleet} fleet */
	constructor(map, fleet) {
		this.map = map;
		this.fleet = fleet;
		this.canvas = document.createElement("canvas");
		this.canvas.className = "markers";
		this.canvas.setAttribute("aria-hidden", "true");
		const sprites = new Sprites(PALETTE.light, window.devicePixelRatio);
		this.#painter = new Painter(this.canvas, sprites, map.inSoftware);
		map.overlay(this.canvas);
		map.on("resize", () => this.#resize());
		map.on("render", () => this.#draw()); // in the map's own frame, so that markers do not lag
		this.#resize();
	}

	/** @param {boolean} dark */
	setDark(dark) {
		const colours = dark ? PALETTE.dark : PALETTE.light;
		this.#painter.sprites = new Sprites(colours, window.devicePixelRatio);
		this.colouring.colours = colours;
		this.redraw();
	}

	get sprites() {
		return this.#painter.sprites;
	}

	/** Draws in the next frame. */
	redraw() {
		this.#nextDraw = 0;
		this.#schedule();
	}

	/** Draws soon after a vehicle has changed. */
	changed() {
		this.#nextDraw = Math.min(this.#nextDraw, this.#lastDraw + UPDATE_DELAY);
		this.#schedule();
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

	/**
	 * The vehicles around a point, those of clusters among them.
	 * @param {{left: number, top: number}} point CSS pixels
	 * @param {number} radius CSS pixels
	 */
	near({ left, top }, radius) {
		return [...this.#single, ...this.#clusters.flatMap(({ markers }) => markers)]
			.filter((one) => Math.hypot(one.left - left, one.top - top) <= radius)
			.map(({ vehicle }) => vehicle);
	}

	/** The markers, clusters and labels of the last frame. */
	get drawn() {
		return { single: this.#single, clusters: this.#clusters, labels: this.#labels };
	}

	#resize() {
		const { width, height } = this.map.size;
		const ratio = window.devicePixelRatio;
		this.#width = width;
		this.#height = height;
		this.canvas.width = Math.round(width * ratio);
		this.canvas.height = Math.round(height * ratio);
		this.#painter.sprites = new Sprites(this.#painter.sprites.colours, ratio);
		this.redraw();
	}

	/** Asks for a frame when one is due, and not for all before: each costs, even if nothing is drawn. */
	#schedule() {
		const due = Math.max(this.#nextDraw, this.#notBefore);
		if (this.#requested || due >= this.#timerAt) {
			return;
		}
		clearTimeout(this.#timer);
		const wait = due - FRAME - performance.now();
		if (wait <= 0) {
			this.#request();
		} else {
			this.#timerAt = due;
			this.#timer = setTimeout(() => this.#request(), wait);
		}
	}

	#request() {
		this.#timerAt = Infinity;
		this.#requested = true;
		requestAnimationFrame(this.#frame);
	}

	#frame = () => {
		this.#requested = false;
		if (this.#measuring) {
			// Also what graphics in software have to do: the browser holds up the next frame for it.
			this.#measuring = false;
			const cost = performance.now() - this.#lastDraw - FRAME;
			this.#notBefore = Math.max(this.#notBefore, this.#lastDraw + IDLE_FACTOR * cost);
			this.#avoided.cost = Math.max(this.#avoided.cost, cost);
		}
		if (performance.now() + FRAME >= Math.max(this.#nextDraw, this.#notBefore)) {
			this.#draw();
			this.onFrame?.();
		}
		this.#schedule();
	};

	#draw() {
		const begun = performance.now();
		this.frames++;
		const zoom = this.map.zoom;
		const now = this.fleet.clock();
		const { markers, fastest } = this.#visible(now, zoom);
		const chosen = markers.findIndex((m) => m.vehicle.id === this.selected);
		const selected = chosen >= 0 ? markers.splice(chosen, 1) : [];
		const { single, clusters } = clustered(markers, zoom);
		this.#single = single.concat(selected);
		this.#clusters = clusters;
		this.#labels = this.#layout(zoom);
		this.#paint();
		this.#avoid(begun);
		this.#lastDraw = performance.now();
		this.#nextDraw = begun + Math.min(MAX_DELAY, (1000 * MIN_MOVE) / fastest);
		this.#notBefore = this.#lastDraw + IDLE_FACTOR * (this.#lastDraw - begun);
		this.#measuring = true;
		if (!this.#requested) {
			clearTimeout(this.#timer);
			this.#request();
		}
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
			const { x, y, turn } = still ? { x: vehicle.x, y: vehicle.y, turn: 0 } : vehicle.positionAt(now);
			const top = (y - centre.y) * world + this.#height / 2;
			if (top < -CLUSTER_MARGIN || top > this.#height + CLUSTER_MARGIN) {
				continue;
			}
			const left = (x - centre.x) * world + this.#width / 2;
			const course = (vehicle.course ?? 0) + turn;
			const moved = still || vehicle.age(now) < GUESS_AGE ? 0 : vehicle.extrapolation(now) * world;
			const arrow = vehicle.motion === "moving" && vehicle.course !== null;
			const derived = vehicle.speedDerived || (arrow && vehicle.courseDerived);
			const guess = derived || moved >= GUESS_DISTANCE;
			for (
				let copy = -Math.floor((left + CLUSTER_MARGIN) / world);
				left + copy * world < this.#width + CLUSTER_MARGIN;
				copy++
			) {
				fastest = Math.max(fastest, vehicle.drawnSpeed(now) * world);
				markers.push({ vehicle, state, x, y, copy, course, left: left + copy * world, top, guess });
			}
		}
		return { markers, fastest: still ? 0 : fastest };
	}

	#paint() {
		const painter = this.#painter;
		const world = 512 * 2 ** this.map.zoom;
		painter.clear();
		/** @param {readonly string[]} states */
		const paintMarkers = (...states) => {
			for (const marker of this.#single) {
				if (states.includes(marker.state) && marker.vehicle.id !== this.selected) {
					painter.marker(marker, this.colouring.of(marker.vehicle));
				}
			}
		};
		paintMarkers("unknown", "parked");
		paintMarkers("moving");
		this.#clusters.forEach((c) => painter.cluster(c));
		paintMarkers("silent");
		for (const marker of this.#single) {
			if (marker.vehicle.id === this.selected) {
				painter.lastFix(marker, world);
				painter.halo(marker);
				painter.marker(marker, this.colouring.of(marker.vehicle));
			}
		}
		painter.labels(this.#labels);
	}

	/** Finds room for the labels of this frame. @param {number} zoom */
	#layout(zoom) {
		return this.#placing.layout(
			{
				width: this.#width,
				height: this.#height,
				single: this.#single,
				clusters: this.#clusters,
				first: [this.selected, this.hovered],
				others: zoom >= LABELS_FROM || this.#single.length <= LABELS_UP_TO,
			},
			({ vehicle }) => this.#textOf(vehicle.id),
		);
	}

	/** A label: an id in at most two lines, of which the second may tell it from others. @param {string} id */
	#textOf(id) {
		const tag = this.fleet.difference(id);
		const key = `${tag} ${id}`;
		let text = this.#texts.get(key);
		if (text === undefined) {
			const [first, ...rest] = labelLines(idText(id));
			const lines = tag ? [first, ...labelLines(`(${tag})`).slice(0, 1)] : [first, ...rest];
			text = { lines, width: Math.max(...lines.map((line) => this.#painter.widthOf(line))) };
			if (this.#texts.size > 5000) {
				this.#texts.clear();
			}
			this.#texts.set(key, text);
		}
		return text;
	}

	/**
	 * Lets the names of the map give way to labels, markers and clusters.
	 * @param {number} time in ms of performance.now()
	 */
	#avoid(time) {
		const { zoom, center } = this.map;
		const view = [zoom, ...center].join();
		const { least, most, rest } = AVOID_INTERVAL;
		const interval =
			view === this.#avoided.view
				? Math.max(least, Math.min(most, rest * this.#avoided.cost))
				: AVOID_INTERVAL.view;
		if (time < this.#avoided.time + interval || this.map.isMoving()) {
			return;
		}
		const boxes = [
			...this.#clusters.map(({ left, top, radius }) => [left, top, 2 * radius + 6, 2 * radius + 6]),
			...this.#single.slice(-MAX_AVOIDED).map(({ left, top }) => [left, top, 24, 24]),
			...this.#labels.map(({ box: { left, top, right, bottom } }) => [
				(left + right) / 2,
				(top + bottom) / 2,
				right - left,
				bottom - top,
			]),
		].map((box) => box.map((value) => Math.round(value / 8) * 8));
		const what = JSON.stringify(boxes);
		if (what !== this.#avoided.what || view !== this.#avoided.view) {
			this.#avoided = { time, what, view, cost: 0 };
			this.map.avoid(
				boxes.map(([x, y, width, height]) => ({ at: this.map.unproject({ x, y }), width, height })),
			);
		}
	}
}
