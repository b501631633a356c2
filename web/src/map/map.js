/**
 * map.js is the page's map. It starts at once as a plain map with the vehicles. The full map replaces that
 * when it is loaded. Where WebGL2 is missing or is lost, the plain map draws outlines.
 */
import { ATTRIBUTION } from "./basemap-atlas.js";
import { element, setText } from "../element.js";
import { TEXTS } from "../texts.js";
import { isCovered, shiftOfPage } from "./free-part.js";
import { PlainMap } from "./plain-map.js";
import { boxAround } from "./viewport.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */
/** @typedef {import("./camera.js").Point} Point */
/** @typedef {import("./camera.js").LonLat} LonLat */
/** @typedef {import("./viewport.js").Box} Box */

export const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
export const narrowScreen = window.matchMedia("(max-width: 720px)");

/** The zoom that shows one vehicle. Without streets, nearer zooms show nothing more. */
const CLOSE_ZOOM = { streets: 14, world: 11 };

/**
 * What covers the map, around a place. The sizes are in CSS pixels.
 * @typedef {{at: LonLat, width: number, height: number}} Obstacle
 */

/**
 * What draws the map and moves it. Its events are MapLibre's: move, moveend, dragstart, click, mousemove,
 * resize, and render after each frame.
 * @typedef {object} Ground
 * @property {HTMLElement} container the element that holds it
 * @property {HTMLElement} overlaid the element over which markers are drawn
 * @property {number} zoom
 * @property {LonLat} center
 * @property {() => Box} bounds
 * @property {(place: LonLat) => Point} project
 * @property {(point: Point) => LonLat} unproject
 * @property {() => boolean} isMoving
 * @property {() => boolean} isComplete whether all that is in view is drawn
 * @property {(center: LonLat, zoom?: number) => void} jumpTo
 * @property {(place: LonLat, zoom: number, to: {offset: Point, animate: boolean}) => void} flyTo brings
 *   a place to so many CSS pixels from the middle
 * @property {(box: Box, options: {padding: number, maxZoom: number, animate: boolean}) => void} fit
 * @property {(cursor: string) => void} setCursor
 * @property {(line: LonLat[]) => void} showTrail
 * @property {(box: import("./labels.js").Box) => string[]} namesIn the names that are drawn in a box
 * @property {(obstacles: Obstacle[]) => void} avoid lets the map's names give way to what covers them
 * @property {(type: string, listener: (event: any) => void) => void} on
 * @property {(type: string, listener: (event: any) => void) => void} off
 */

export class PageMap {
	#config;
	#plain;
	/** @type {Ground} */ #ground;
	#renderer = webGL2Renderer();
	#outlined = false; // the plain map has its outlines
	/** @type {[string, (event: any) => void][]} */ #listeners = [];
	/** @type {HTMLElement[]} */ #overlays = [];
	/** @type {LonLat[]} */ #trail = [];
	#note = element("simple-map", HTMLElement);

	/**
	 * @param {import("./basemap.js").Config} config
	 * @param {import("../address.js").ViewState} viewState
	 */
	constructor(config, viewState) {
		this.#config = config;
		this.#plain = new PlainMap(layer(), viewState.map ?? { lon: 10, lat: 30, zoom: 1.5 });
		this.#plain.setDark(darkScheme.matches);
		darkScheme.addEventListener("change", () => this.#plain.setDark(darkScheme.matches));
		this.#ground = this.#plain;
	}

	/** Replaces the plain map by the full one, where that can be drawn. */
	async load() {
		if (this.#renderer === "") {
			return this.#simplify(TEXTS.map.noWebGL2);
		}
		const container = layer();
		try {
			const { makeGlMap } = await import("./gl-map.js");
			const full = await makeGlMap(container, this.#config, narrowScreen.matches);
			full.on("webglcontextlost", () => this.#simplify(TEXTS.map.stopped));
			full.on("webglcontextrestored", () => this.#use(full));
			this.#use(full);
		} catch (error) {
			container.remove();
			this.#simplify(TEXTS.map.notFull(error instanceof Error ? error.message : error));
		}
	}

	/** Falls back to the plain map with outlines. @param {string} reason */
	async #simplify(reason) {
		this.#use(this.#plain);
		setText(/** @type {Element} */ (this.#note.querySelector(".why")), reason);
		this.#note.hidden = false;
		if (this.#outlined) {
			return;
		}
		this.#outlined = true;
		const { lib, report = () => {} } = this.#config;
		try {
			const { Outlines } = await import("./outlines.js");
			this.#plain.showOutlines(new Outlines(lib, () => this.#plain.redraw(), report), ATTRIBUTION);
		} catch (error) {
			this.#outlined = false;
			report(TEXTS.map.notDrawn(error instanceof Error ? error.message : error));
		}
	}

	/** @param {Ground} ground */
	#use(ground) {
		const before = this.#ground;
		this.#note.hidden = true;
		if (before === ground) {
			return;
		}
		this.#listeners.forEach((listener) => before.off(...listener));
		ground.jumpTo(before.center, before.zoom); // which is no move for the page
		ground.showTrail(this.#trail);
		this.#listeners.forEach((listener) => ground.on(...listener));
		before.container.classList.add("unused");
		ground.container.classList.remove("unused");
		ground.overlaid.append(...this.#overlays);
		this.#ground = ground;
	}

	/** @param {string} type of a MapLibre map's event @param {(event: any) => void} listener */
	on(type, listener) {
		this.#listeners.push([type, listener]);
		this.#ground.on(type, listener);
	}

	/** Puts an element over the ground, under the controls. @param {HTMLElement} element */
	overlay(element) {
		this.#overlays.push(element);
		this.#ground.overlaid.append(element);
	}

	/** The element of all maps and of what is over them. */
	get element() {
		return element("map", HTMLElement);
	}

	/** Whether no graphics card draws. */
	get inSoftware() {
		return this.#renderer === "" || SOFTWARE.test(this.#renderer);
	}

	/** In CSS pixels. */
	get size() {
		const { clientWidth: width, clientHeight: height } = this.#ground.container;
		return { width, height };
	}

	get zoom() {
		return this.#ground.zoom;
	}

	get center() {
		return this.#ground.center;
	}

	/** The view in degrees. The west may be beyond −180. */
	bounds() {
		return this.#ground.bounds();
	}

	/** @param {LonLat} place */
	project(place) {
		return this.#ground.project(place);
	}

	/** @param {Point} point */
	unproject(point) {
		return this.#ground.unproject(point);
	}

	isMoving() {
		return this.#ground.isMoving();
	}

	isComplete() {
		return this.#ground.isComplete();
	}

	/** @param {string} cursor of CSS */
	setCursor(cursor) {
		this.#ground.setCursor(cursor);
	}

	/** @param {LonLat[]} line which may continue beyond ±180 */
	showTrail(line) {
		this.#trail = line;
		this.#ground.showTrail(line);
	}

	/** Lets names give way to what is drawn over them. @param {Obstacle[]} obstacles */
	avoid(obstacles) {
		this.#ground.avoid(obstacles);
	}

	/** The names that are drawn in a box. @param {import("./labels.js").Box} box CSS pixels */
	namesIn(box) {
		return this.#ground.namesIn(box);
	}

	/** @param {LonLat} center @param {number} [zoom] */
	jumpTo(center, zoom) {
		this.#ground.jumpTo(center, zoom);
	}

	/**
	 * Moves to show all of these vehicles.
	 * @param {Iterable<Vehicle>} vehicles
	 * @param {{animate?: boolean, maxZoom?: number}} [options]
	 */
	showAll(vehicles, { animate = true, maxZoom = this.#closeZoom } = {}) {
		const box = boxAround(vehicles);
		if (box) {
			this.#ground.fit(box, { padding: narrowScreen.matches ? 40 : 70, maxZoom, animate });
		}
	}

	/** Moves close to a place. @param {LonLat} place @param {boolean} [animate] */
	showPlace(place, animate = true) {
		const offset = shiftOfPage(this.#ground.container);
		this.#ground.flyTo(place, Math.max(this.zoom, this.#closeZoom), { offset, animate });
	}

	/** Moves a place from under what covers it. @param {LonLat} place */
	uncover(place) {
		if (isCovered(this.#ground.container, this.project(place))) {
			this.#moveTo(place);
		}
	}

	/** Uncovers a place, on a narrow screen also if it is beyond the edges. @param {LonLat} place */
	bringIn(place) {
		const { x, y } = this.project(place);
		const { width, height } = this.size;
		if (narrowScreen.matches && (x < 0 || y < 0 || x > width || y > height)) {
			this.#moveTo(place);
		} else {
			this.uncover(place);
		}
	}

	/** Moves to a place at the same zoom. @param {LonLat} place */
	#moveTo(place) {
		const offset = shiftOfPage(this.#ground.container);
		this.#ground.flyTo(place, this.zoom, { offset, animate: true });
	}

	/**
	 * Keeps a vehicle's drawn position in the centre, or in that of what nothing covers.
	 * @param {Vehicle} vehicle
	 * @param {import("./clusters.js").Marker | undefined} marker undefined if the vehicle is off the screen
	 */
	keepCentred(vehicle, marker) {
		const { width, height } = this.size;
		const offset = shiftOfPage(this.#ground.container);
		if (!marker) {
			this.#ground.flyTo([vehicle.lon, vehicle.lat], this.zoom, { offset, animate: false });
			return;
		}
		const center = { x: marker.left - offset.x, y: marker.top - offset.y };
		if (Math.hypot(center.x - width / 2, center.y - height / 2) > 0.5) {
			this.jumpTo(this.#ground.unproject(center));
		}
	}

	get #closeZoom() {
		const { style, pmtiles } = this.#config;
		return style || pmtiles.length > 0 ? CLOSE_ZOOM.streets : CLOSE_ZOOM.world;
	}
}

/** A new layer of the map's element. */
function layer() {
	const div = document.createElement("div");
	element("map", HTMLElement).append(div);
	return div;
}

/** What draws with WebGL2; "": nothing. MapLibre would need a megabyte of code to find out. */
function webGL2Renderer() {
	const context = document.createElement("canvas").getContext("webgl2");
	const unmasked = context?.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL;
	const name = context?.getParameter(unmasked ?? context.RENDERER);
	context?.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few contexts
	return context === null ? "" : String(name) || "unknown";
}

/** Names of what draws with the processor. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
