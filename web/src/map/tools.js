/**
 * tools.js measures distances on the map, and shows where the reader is.
 */
import { element, setText, showNotice } from "../element.js";
import { distanceText } from "../format.js";
import { distance } from "../geodesy.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../geodesy.js").Place} Place */

const SVG = "http://www.w3.org/2000/svg";
/** A pin with a hole, whose point is at (0, 0). */
const PIN =
	"M0,0 C-3,-9 -10,-12 -10,-20 A10,10 0 1 1 10,-20 C10,-12 3,-9 0,0 Z " +
	"M-4,-20 a4,4 0 1 0 8,0 a4,4 0 1 0 -8,0 Z";

/**
 * What the tools need of a map.
 * @typedef {object} ToolMap
 * @property {(lonLat: [number, number]) => {x: number, y: number}} project CSS pixels
 * @property {(element: any) => void} overlay
 * @property {(event: "move" | "resize", handler: () => void) => unknown} on
 */

/** Overlay draws places and lines over a map. */
class Overlay {
	#svg = document.createElementNS(SVG, "svg");
	/**
	 * @typedef {{place: Place, className: string, radius: (place: Place) => number}} Dot
	 * @type {{line: Place[], dots: Dot[], pin: Place | null}}
	 */
	content = { line: [], dots: [], pin: null };

	/** @param {ToolMap} map */
	constructor(map) {
		this.map = map;
		this.#svg.setAttribute("class", "overlay");
		this.#svg.setAttribute("aria-hidden", "true");
		map.overlay(this.#svg);
		map.on("move", () => this.draw());
		map.on("resize", () => this.draw());
	}

	draw() {
		const { line, dots, pin } = this.content;
		/** @param {Place} place */
		const at = ({ lon, lat }) => this.map.project([lon, lat]);
		const path = document.createElementNS(SVG, "polyline");
		path.setAttribute("points", line.map((place) => `${at(place).x},${at(place).y}`).join(" "));
		this.#svg.replaceChildren(
			path,
			...dots.map(({ place, className, radius }) => {
				const dot = document.createElementNS(SVG, "circle");
				const { x, y } = at(place);
				dot.setAttribute("class", className);
				dot.setAttribute("cx", String(x));
				dot.setAttribute("cy", String(y));
				dot.setAttribute("r", String(radius(place)));
				return dot;
			}),
		);
		if (pin) {
			const shape = document.createElementNS(SVG, "path");
			const { x, y } = at(pin);
			shape.setAttribute("class", "pin");
			shape.setAttribute("d", PIN);
			shape.setAttribute("transform", `translate(${x} ${y})`);
			this.#svg.append(shape);
		}
	}
}

/** Pin stands where the vehicles' distances are from. */
export class Pin {
	#overlay;

	/** @param {ToolMap} map */
	constructor(map) {
		this.#overlay = new Overlay(map);
	}

	/** @param {Place | null} place */
	show(place) {
		this.#overlay.content.pin = place;
		this.#overlay.draw();
	}
}

/** Ruler measures the way over places that the reader clicks. */
export class Ruler {
	active = false;
	/** @type {Place[]} */ #places = [];
	#overlay;
	#button = element("ruler", HTMLButtonElement);
	#text = element("measured", HTMLElement);

	/** @param {ToolMap} map */
	constructor(map) {
		this.#overlay = new Overlay(map);
		this.#button.addEventListener("click", () => this.toggle());
	}

	/** @param {boolean} [active] */
	toggle(active = !this.active) {
		this.active = active;
		this.#places = [];
		this.#button.setAttribute("aria-pressed", String(active));
		this.#text.hidden = !active;
		this.#show();
	}

	/** @param {Place} place */
	add(place) {
		this.#places.push(place);
		this.#show();
	}

	#show() {
		const places = this.#places;
		const metres = places.slice(1).reduce((sum, place, i) => sum + distance(places[i], place), 0);
		setText(
			this.#text,
			places.length < 2 ? TEXTS.tools.measure : distanceText(metres),
		);
		this.#overlay.content.line = places;
		this.#overlay.content.dots = places.map((place) => ({ place, className: "measured", radius: () => 4 }));
		this.#overlay.draw();
	}
}

/**
 * Offers what can be done with a place of the map, after a right click or a long press.
 * @param {import("./map.js").PageMap} map
 * @param {(place: Place) => void} nearest
 * @returns {{hide: () => boolean}} `hide` returns whether there was an offer
 */
export function bindHere(map, nearest) {
	const offer = element("here", HTMLElement);
	const button = /** @type {HTMLElement} */ (offer.firstElementChild);
	let place = { lon: 0, lat: 0 };
	const hide = () => {
		const { hidden } = offer;
		offer.hidden = true;
		return !hidden;
	};
	map.on("contextmenu", ({ point, originalEvent }) => {
		originalEvent.preventDefault();
		const [lon, lat] = map.unproject(point);
		place = { lon: Number(lon.toFixed(5)), lat: Number(lat.toFixed(5)) };
		offer.hidden = false;
		const { offsetWidth, offsetHeight } = /** @type {HTMLElement} */ (offer.parentElement);
		offer.style.left = `${Math.min(point.x, offsetWidth - offer.offsetWidth)}px`;
		offer.style.top = `${Math.min(point.y, offsetHeight - offer.offsetHeight)}px`;
		button.focus();
	});
	for (const type of ["dragstart", "click"]) {
		map.on(type, hide);
	}
	button.addEventListener("click", () => {
		hide();
		nearest(place);
	});
	return { hide };
}

/** Position shows where the reader is. */
export class Position {
	#overlay;

	/** @param {ToolMap} map @param {(place: Place) => void} found */
	constructor(map, found) {
		this.#overlay = new Overlay(map);
		this.found = found;
		element("locate", HTMLButtonElement).addEventListener("click", () => this.locate());
	}

	/** Asks the browser where the reader is. @param {(place: Place) => void} [found] */
	locate(found = this.found) {
		if (!navigator.geolocation) {
			showNotice(TEXTS.tools.noPosition, 5000);
			return;
		}
		navigator.geolocation.getCurrentPosition(
			({ coords: { longitude: lon, latitude: lat, accuracy } }) => {
				const place = { lon, lat };
				/** @param {Place} at */
				const pixels = ({ lon, lat }) => {
					const [a, b] = [lat, lat + accuracy / 111_320].map((lat) => this.#overlay.map.project([lon, lat]));
					return Math.min(5000, Math.abs(a.y - b.y));
				};
				this.#overlay.content.dots = [
					{ place, className: "accuracy", radius: pixels },
					{ place, className: "position", radius: () => 7 },
				];
				this.#overlay.draw();
				found(place);
			},
			({ code }) =>
				showNotice(code === 1 ? TEXTS.tools.refused : TEXTS.tools.unknown, 5000),
			{ maximumAge: 60_000, timeout: 15_000 },
		);
	}
}
