/**
 * free-part.js finds the part of the map that nothing covers: on a phone the sheet and the details do.
 */

/** What may lie over the map. */
const COVERS = ["panel", "details", "band"];
/** CSS pixels around the middle of the map that are to be free. */
const MARGIN = 96;

/** @typedef {{left: number, top: number, right: number, bottom: number}} Rect CSS pixels */

/**
 * The largest part of the map beside, above or below all covers.
 * @param {Rect} map
 * @param {Rect[]} covers
 * @returns {Rect}
 */
export function freePart(map, covers) {
	return covers.reduce((free, cover) => {
		if (!overlap(free, cover)) {
			return free;
		}
		const parts = [
			{ ...free, right: cover.left },
			{ ...free, left: cover.right },
			{ ...free, bottom: cover.top },
			{ ...free, top: cover.bottom },
		];
		return parts.sort((a, b) => area(b) - area(a))[0];
	}, map);
}

/**
 * How far it is from the middle of the map to that of its free part, in CSS pixels: not at all where nothing
 * covers the middle.
 * @param {Rect} map
 * @param {Rect[]} covers
 */
export function shiftOf(map, covers) {
	const middle = middleOf(map);
	const around = {
		left: middle.x - MARGIN,
		top: middle.y - MARGIN,
		right: middle.x + MARGIN,
		bottom: middle.y + MARGIN,
	};
	if (!covers.some((cover) => overlap(around, cover))) {
		return { x: 0, y: 0 };
	}
	const free = middleOf(freePart(map, covers));
	return { x: free.x - middle.x, y: free.y - middle.y };
}

/** The free part of the page's map, from the map's left top corner. @param {HTMLElement} map */
export function freePartOfPage(map) {
	const whole = rectOf(map);
	const { left, top, right, bottom } = freePart(whole, coversOfPage());
	return {
		left: left - whole.left,
		top: top - whole.top,
		right: right - whole.left,
		bottom: bottom - whole.top,
	};
}

/** How far it is on the page. @param {HTMLElement} map */
export const shiftOfPage = (map) => shiftOf(rectOf(map), coversOfPage());

/**
 * Whether something covers a point of the page's map.
 * @param {HTMLElement} map
 * @param {import("./camera.js").Point} point
 * @param {number} [around] CSS pixels beside the point
 */
export function isCovered(map, { x, y }, around = 0) {
	const { left, top } = rectOf(map);
	const at = {
		left: left + x - around,
		top: top + y - around,
		right: left + x + around,
		bottom: top + y + around,
	};
	return coversOfPage().some((cover) => overlap(at, cover));
}

function coversOfPage() {
	const covers = COVERS.map((id) => document.getElementById(id)).filter((cover) => cover?.checkVisibility());
	return /** @type {HTMLElement[]} */ (covers).map(rectOf);
}

/** Where an element is when what animates it has ended. @param {HTMLElement} element @returns {Rect} */
function rectOf(element) {
	let [left, top] = [0, 0];
	for (let at = /** @type {Element | null} */ (element); at instanceof HTMLElement; at = at.offsetParent) {
		left += at.offsetLeft;
		top += at.offsetTop;
	}
	return { left, top, right: left + element.offsetWidth, bottom: top + element.offsetHeight };
}

/** @param {Rect} rect */
const middleOf = ({ left, top, right, bottom }) => ({ x: (left + right) / 2, y: (top + bottom) / 2 });

/** @param {Rect} rect */
const area = ({ left, top, right, bottom }) => Math.max(0, right - left) * Math.max(0, bottom - top);

/** @param {Rect} a @param {Rect} b */
const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
