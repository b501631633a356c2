/**
 * sheet.js is the panel on a phone: a sheet over the map of three heights. It is dragged by its handle or the
 * line of the connection; the handle also takes taps and keys.
 */
import { TEXTS } from "../texts.js";

/** @typedef {"peek" | "half" | "full"} Height as phone.css has them */

/** @type {Height[]} */
const HEIGHTS = ["peek", "half", "full"];
/** CSS pixels, and shares of the page. @param {number} page its height @returns {Record<Height, number>} */
const pixels = (page) => ({ peek: 164, half: page * 0.6, full: page - 48 });
/** CSS pixels that a finger may move in a tap. */
const TAP = 6;
/** Milliseconds for which a sheet that is let go would move on. */
const MOMENTUM = 150;

const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} handle
 * @returns {(height: Height) => void} sets the height
 */
export function sheet(panel, handle) {
	/** @type {Height} */
	let height = "peek";
	/** @param {Height} next */
	const set = (next) => {
		const before = panel.offsetHeight;
		height = next;
		panel.style.height = "";
		panel.dataset.sheet = next;
		handle.setAttribute("aria-expanded", String(next !== "peek"));
		handle.setAttribute("aria-label", next === "full" ? TEXTS.panel.lower : TEXTS.panel.raise);
		const higher = panel.offsetHeight - before;
		if (higher !== 0 && !reducedMotion.matches) {
			panel.animate({ translate: [`0 ${higher}px`, "0 0"] }, { duration: 220, easing: "ease" });
		}
	};
	/** @param {number} steps */
	const move = (steps) => {
		const to = HEIGHTS.indexOf(height) + steps;
		set(HEIGHTS[Math.max(0, Math.min(HEIGHTS.length - 1, to))]);
	};
	handle.addEventListener("click", () => (height === "full" ? set("peek") : move(1)));
	handle.addEventListener("keydown", (event) => {
		const steps = { ArrowUp: 1, ArrowDown: -1, End: 2, Home: -2 }[event.key];
		if (steps !== undefined) {
			event.preventDefault();
			move(steps);
		}
	});
	drag(panel, (at, speed) => {
		const all = pixels(document.body.clientHeight);
		const to = at + speed * MOMENTUM;
		set(HEIGHTS.toSorted((a, b) => Math.abs(all[a] - to) - Math.abs(all[b] - to))[0]);
	});
	set("peek");
	return set;
}

/**
 * Lets the sheet be dragged.
 * @param {HTMLElement} panel
 * @param {(height: number, speed: number) => void} onEnd CSS pixels, and CSS pixels upward per millisecond
 */
function drag(panel, onEnd) {
	/** Where the drag began, and where it was last. @type {{from: number, at: number, ms: number} | null} */
	let dragged = null;
	let height = 0; // where it began
	let speed = 0;
	let moved = false;
	panel.addEventListener("pointerdown", ({ target, isPrimary, clientY, timeStamp }) => {
		const held = isPrimary && /** @type {Element} */ (target).closest("#sheet, #connection");
		moved = false;
		if (held && getComputedStyle(panel).position === "absolute") {
			dragged = { from: clientY, at: clientY, ms: timeStamp };
			[height, speed] = [panel.offsetHeight, 0];
		}
	});
	panel.addEventListener("pointermove", ({ pointerId, isPrimary, clientY, timeStamp }) => {
		if (dragged === null || !isPrimary || (!moved && Math.abs(clientY - dragged.from) <= TAP)) {
			return;
		}
		if (!moved) {
			moved = true;
			panel.setPointerCapture(pointerId);
		}
		speed = (dragged.at - clientY) / Math.max(1, timeStamp - dragged.ms);
		dragged = { ...dragged, at: clientY, ms: timeStamp };
		const { peek, full } = pixels(document.body.clientHeight);
		panel.style.height = `${Math.max(peek, Math.min(full, height + dragged.from - clientY))}px`;
	});
	for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) {
		panel.addEventListener(type, ({ timeStamp }) => {
			if (dragged !== null && moved) {
				onEnd(panel.offsetHeight, timeStamp - dragged.ms > 100 ? 0 : speed); // it was held, not flicked
			}
			dragged = null;
		});
	}
	// The end of a drag is no tap.
	panel.addEventListener("click", (event) => moved && event.stopPropagation(), { capture: true });
}
