/**
 * plain-map.js is the map that needs neither WebGL nor a library: a camera, gestures, and on request the
 * built-in outlines.
 */
import { TEXTS } from "../texts.js";
import { Camera } from "./camera.js";
import { PALETTE } from "./sprites.js";

/** @typedef {import("./camera.js").Point} Point */
/** @typedef {import("./camera.js").LonLat} LonLat */
/** @typedef {import("./map.js").Ground} Ground */

/** Zoom levels of a step with the keyboard or a button. */
const STEP = 1;
/** Zoom levels of a wheel's pixel, and the most of one event: a notch is 100 pixels, or 3 lines. */
const WHEEL = { pixel: 0.005, line: 0.15, most: 1 };
/** CSS pixels of an arrow key. */
const ARROW = 100;
/** CSS pixels that a pointer may move in a click. */
const CLICK = 3;

/** What a key does to a camera. @type {Record<string, (camera: Camera) => void>} */
const KEYS = {
	"+": (camera) => camera.zoomBy(STEP),
	"=": (camera) => camera.zoomBy(STEP),
	"-": (camera) => camera.zoomBy(-STEP),
	ArrowLeft: (camera) => camera.panBy(ARROW, 0),
	ArrowRight: (camera) => camera.panBy(-ARROW, 0),
	ArrowUp: (camera) => camera.panBy(0, ARROW),
	ArrowDown: (camera) => camera.panBy(0, -ARROW),
};

/** @typedef {{point?: Point, originalEvent?: Event}} MapEvent as MapLibre's, as far as the page uses it */

/** @implements {Ground} */
export class PlainMap {
	#camera = new Camera();
	/** The element that holds it. */ container;
	/** The element over which markers are drawn. */ overlaid;
	#canvas = document.createElement("canvas");
	#ctx = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
	/** @type {import("./outlines.js").Outlines | undefined} */ #outlines;
	/** @type {LonLat[]} */ #trail = [];
	/** @type {import("./map.js").Obstacle[]} */ #obstacles = [];
	#dark = false;
	#frame = 0; // the next frame's, if one is requested
	/** @type {Map<string, Set<(event: any) => void>>} */ #listeners = new Map();
	/** The pointers that are down. @type {Map<number, Point>} */ #pointers = new Map();
	#dragged = false; // the pointers that are down have moved the map

	/**
	 * @param {HTMLElement} container
	 * @param {{lon: number, lat: number, zoom: number}} view
	 */
	constructor(container, { lon, lat, zoom }) {
		this.container = this.overlaid = container;
		this.#canvas.className = "outlines";
		this.#canvas.tabIndex = 0;
		this.#canvas.setAttribute("role", "region");
		this.#canvas.setAttribute("aria-label", TEXTS.map.title);
		container.append(this.#canvas, this.#zoomButtons());
		this.#resize();
		this.#camera.moveTo([lon, lat], zoom);
		new ResizeObserver(() => this.#resize()).observe(container);
		this.#bindGestures();
	}

	/**
	 * Draws outlines and names from now on.
	 * @param {import("./outlines.js").Outlines} outlines
	 * @param {string} attribution HTML
	 */
	showOutlines(outlines, attribution) {
		this.#outlines = outlines;
		const corner = document.createElement("div");
		corner.className = "maplibregl-ctrl-bottom-right";
		corner.innerHTML = `<div class="maplibregl-ctrl maplibregl-ctrl-attrib">${attribution}</div>`;
		this.container.append(corner);
		this.redraw();
	}

	/** @param {boolean} dark */
	setDark(dark) {
		this.#dark = dark;
		this.redraw();
	}

	/** @param {import("./map.js").Obstacle[]} obstacles */
	avoid(obstacles) {
		this.#obstacles = obstacles;
		if (this.#outlines) {
			this.redraw();
		}
	}

	/** @param {import("./labels.js").Box} box */
	namesIn(box) {
		return this.#outlines?.namesIn(box) ?? [];
	}

	/** @param {LonLat[]} line which may continue beyond ±180 */
	showTrail(line) {
		this.#trail = line;
		this.redraw();
	}

	/** @param {string} cursor of CSS */
	setCursor(cursor) {
		this.#canvas.style.cursor = cursor;
	}

	/** @param {string} type @param {(event: any) => void} listener */
	on(type, listener) {
		this.#listeners.set(type, (this.#listeners.get(type) ?? new Set()).add(listener));
	}

	/** @param {string} type @param {(event: any) => void} listener */
	off(type, listener) {
		this.#listeners.get(type)?.delete(listener);
	}

	/** @param {string} type @param {MapEvent} [event] */
	#fire(type, event = {}) {
		this.#listeners.get(type)?.forEach((listener) => listener(event));
	}

	get zoom() {
		return this.#camera.zoom;
	}

	get center() {
		return this.#camera.center;
	}

	bounds() {
		return this.#camera.bounds();
	}

	/** @param {LonLat} place */
	project(place) {
		return this.#camera.project(place);
	}

	/** @param {Point} point */
	unproject(point) {
		return this.#camera.unproject(point);
	}

	isMoving() {
		return this.#dragged;
	}

	isComplete() {
		return this.#outlines !== undefined && this.#outlines.complete && this.#frame === 0;
	}

	/** @param {LonLat} center @param {number} [zoom] */
	jumpTo(center, zoom) {
		this.#camera.moveTo(center, zoom);
		this.#moved();
	}

	/** @param {LonLat} place @param {number} zoom @param {{offset: Point}} options */
	flyTo(place, zoom, { offset: { x, y } }) {
		this.#camera.moveTo(place, zoom);
		this.#camera.panBy(x, y);
		this.#moved();
	}

	/** @param {import("./viewport.js").Box} box @param {{padding: number, maxZoom: number}} options */
	fit(box, options) {
		this.#camera.fit(box, options);
		this.#moved();
	}

	/** Draws in the next frame. */
	redraw() {
		this.#frame ||= requestAnimationFrame(() => {
			this.#frame = 0;
			this.#draw();
		});
	}

	/** @param {number} levels @param {Event} event of the reader @param {Point} [at] */
	#zoom(levels, event, at) {
		this.#camera.zoomBy(levels, at);
		this.#moved(event);
	}

	/** @param {Event} [originalEvent] of the reader */
	#moved(originalEvent) {
		this.redraw();
		this.#fire("move", { originalEvent });
		if (!this.#dragged) {
			this.#fire("moveend", { originalEvent });
		}
	}

	#resize() {
		const { clientWidth, clientHeight } = this.container;
		this.#camera.resize(clientWidth, clientHeight);
		this.#canvas.width = Math.round(clientWidth * window.devicePixelRatio);
		this.#canvas.height = Math.round(clientHeight * window.devicePixelRatio);
		this.#draw(); // now: the canvas has lost its content
		this.#fire("resize");
	}

	#draw() {
		const ratio = window.devicePixelRatio;
		this.#ctx.setTransform(1, 0, 0, 1, 0, 0);
		this.#ctx.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
		this.#outlines?.draw(this.#ctx, this.#camera, ratio, this.#dark, this.#obstacles);
		this.#drawTrail(ratio);
		this.#fire("render");
	}

	/** @param {number} ratio */
	#drawTrail(ratio) {
		const points = this.#trail.map((place) => this.#camera.project(place));
		if (points.length === 0) {
			return;
		}
		const [from, to] = [Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x))];
		const { world, width } = this.#camera;
		this.#ctx.lineWidth = 4;
		this.#ctx.lineCap = this.#ctx.lineJoin = "round";
		this.#ctx.strokeStyle = (this.#dark ? PALETTE.dark : PALETTE.light).selected;
		for (let copy = -Math.floor(to / world) * world; from + copy < width; copy += world) {
			this.#ctx.setTransform(ratio, 0, 0, ratio, copy * ratio, 0);
			this.#ctx.beginPath();
			points.forEach(({ x, y }) => this.#ctx.lineTo(x, y));
			this.#ctx.stroke();
		}
	}

	#zoomButtons() {
		const corner = document.createElement("div");
		corner.className = "maplibregl-ctrl-top-right";
		const group = document.createElement("div");
		group.className = "maplibregl-ctrl maplibregl-ctrl-group";
		for (const [name, label, levels] of /** @type {const} */ ([
			["zoom-in", TEXTS.map.zoomIn, STEP],
			["zoom-out", TEXTS.map.zoomOut, -STEP],
		])) {
			const button = document.createElement("button");
			button.type = "button";
			button.className = `maplibregl-ctrl-${name}`;
			button.title = label;
			button.setAttribute("aria-label", label);
			button.innerHTML = '<span class="maplibregl-ctrl-icon" aria-hidden="true"></span>';
			button.addEventListener("click", (event) => this.#zoom(levels, event));
			group.append(button);
		}
		corner.append(group);
		return corner;
	}

	/** @param {MouseEvent} event @returns {Point} */
	#at(event) {
		const { left, top } = this.#canvas.getBoundingClientRect();
		return { x: event.clientX - left, y: event.clientY - top };
	}

	#bindGestures() {
		const canvas = this.#canvas;
		canvas.addEventListener("pointerdown", (event) => {
			if (event.button === 0) {
				canvas.setPointerCapture(event.pointerId);
				this.#pointers.set(event.pointerId, this.#at(event));
			}
		});
		canvas.addEventListener("pointermove", (event) =>
			this.#pointers.has(event.pointerId)
				? this.#drag(event)
				: this.#fire("mousemove", { point: this.#at(event) }),
		);
		for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) {
			canvas.addEventListener(type, (event) => this.#release(event));
		}
		canvas.addEventListener("wheel", (event) => {
			event.preventDefault();
			const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? WHEEL.pixel : WHEEL.line;
			const levels = Math.max(-WHEEL.most, Math.min(WHEEL.most, -event.deltaY * unit));
			this.#zoom(levels, event, this.#at(event));
		});
		canvas.addEventListener("contextmenu", (event) => {
			this.#pointers.clear(); // a long press is no click
			this.#fire("contextmenu", { point: this.#at(event), originalEvent: event });
		});
		canvas.addEventListener("dblclick", (event) => this.#zoom(STEP, event, this.#at(event)));
		canvas.addEventListener("keydown", (event) => {
			const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
			if (act) {
				event.preventDefault();
				act(this.#camera);
				this.#moved(event);
			}
		});
	}

	/** One pointer drags the map; two zoom it too. @param {PointerEvent} event */
	#drag(event) {
		const before = pinch(this.#pointers);
		const from = /** @type {Point} */ (this.#pointers.get(event.pointerId));
		const to = this.#at(event);
		if (!this.#dragged) {
			if (Math.hypot(to.x - from.x, to.y - from.y) <= CLICK) {
				return;
			}
			this.#dragged = true;
			this.#fire("dragstart", { originalEvent: event });
		}
		this.#pointers.set(event.pointerId, to);
		const after = pinch(this.#pointers);
		this.#camera.panBy(after.x - before.x, after.y - before.y);
		if (this.#pointers.size > 1) {
			this.#camera.zoomBy(Math.log2(after.spread / before.spread), after);
		}
		this.#moved(event);
	}

	/** @param {PointerEvent} event */
	#release(event) {
		const known = this.#pointers.delete(event.pointerId);
		if (!known || this.#pointers.size > 0) {
			return;
		}
		if (this.#dragged) {
			this.#dragged = false;
			this.#fire("moveend", { originalEvent: event });
		} else if (event.type === "pointerup") {
			this.#fire("click", { point: this.#at(event), originalEvent: event });
		}
	}
}

/** The middle of the pointers, and how far apart they are. @param {Map<number, Point>} pointers */
function pinch(pointers) {
	const [a, b = a] = [...pointers.values()];
	return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, spread: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) };
}
