/**
 * beyond.js points at the selected vehicle where it is out of view: an arrow at the edge of the map, which
 * brings the vehicle into view.
 */
import { element } from "../element.js";
import { compass, distanceText } from "../format.js";
import { bearing, distance } from "../geodesy.js";
import { idText } from "../id.js";
import { freePartOfPage, isCovered } from "../map/free-part.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../map/free-part.js").Rect} Rect */
/** @typedef {import("../map/camera.js").Point} Point */

/** CSS pixels from the middle of the arrow to the edges, and to that of the map where its buttons are. */
const EDGE = 26;
const BUTTONS = 80;
/** CSS pixels around the middle of the arrow that it takes. */
const RADIUS = 22;

/**
 * Where an arrow stands at the edge of a part of the map, and where it points.
 * @param {Point} to CSS pixels of the map
 * @param {Rect} part
 * @param {number} [toRight] CSS pixels from the arrow to the right edge
 * @returns {{x: number, y: number, turn: number}} degrees clockwise from up
 */
export function arrowTo({ x, y }, { left, top, right, bottom }, toRight = EDGE) {
	const from = { x: (left + right) / 2, y: (top + bottom) / 2 };
	const [dx, dy] = [x - from.x, y - from.y];
	const wide = Math.max(0, (right - left) / 2 - (dx < 0 ? EDGE : toRight));
	const high = Math.max(0, (bottom - top) / 2 - EDGE);
	const share = Math.min(wide / Math.abs(dx), high / Math.abs(dy));
	return {
		x: from.x + dx * share,
		y: from.y + dy * share,
		turn: (Math.atan2(dx, -dy) * 180) / Math.PI,
	};
}

export class Beyond {
	#button = element("beyond", HTMLButtonElement);
	#map;

	/** @param {import("../map/map.js").PageMap} map @param {() => void} show brings the vehicle into view */
	constructor(map, show) {
		this.#map = map;
		this.#button.addEventListener("click", show);
	}

	/** @param {import("../fleet.js").Vehicle | null} vehicle the selected one, if it is known */
	update(vehicle) {
		const arrow = vehicle && this.#arrow(this.#pointOf(vehicle));
		this.#button.hidden = !arrow;
		if (!arrow) {
			return;
		}
		this.#button.style.left = `${arrow.x}px`;
		this.#button.style.top = `${arrow.y}px`;
		this.#button.style.setProperty("--towards", `${arrow.turn}deg`);
		const [lon, lat] = this.#map.center;
		const from = { lon, lat };
		const away = `${distanceText(distance(from, vehicle))} ${compass(bearing(from, vehicle))}`;
		const text = TEXTS.map.beyond(idText(vehicle.id), away);
		if (this.#button.title !== text) {
			this.#button.title = text;
			this.#button.setAttribute("aria-label", text);
		}
	}

	/**
	 * The arrow to a point: at the edge of the map, or of its free part; null: it is in sight.
	 * @param {Point} to
	 */
	#arrow(to) {
		const { element, size } = this.#map;
		const { width: right, height: bottom } = size;
		if (to.x >= 0 && to.x <= right && to.y >= 0 && to.y <= bottom && !isCovered(element, to)) {
			return null;
		}
		const atEdge = arrowTo(to, { left: 0, top: 0, right, bottom }, BUTTONS);
		const free = freePartOfPage(element);
		return isCovered(element, atEdge, RADIUS)
			? arrowTo(to, free, free.right < right ? EDGE : BUTTONS)
			: atEdge;
	}

	/** In the copy of the world where it is nearest. @param {{lon: number, lat: number}} vehicle */
	#pointOf({ lon, lat }) {
		return this.#map.project([lon + 360 * Math.round((this.#map.center[0] - lon) / 360), lat]);
	}
}
