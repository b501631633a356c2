/**
 * legend.js says what the signs on the map mean: those that are there now, drawn as the map draws them.
 */
import { KINDS } from "../map/kinds.js";
import { SIZE } from "../map/sprites.js";
import { TEXTS } from "../texts.js";
import { columnName } from "./columns.js";

/** @typedef {import("../map/sprites.js").Look} Look */
/** @typedef {Look["kind"]} Kind */

/** Milliseconds until the values of a property are counted again. */
const INTERVAL = 5000;
/** What a sign looks like that shows a kind or a colour alone. @type {Look} */
const PLAIN = { kind: "other", state: "moving", colour: null, course: null, guess: false };

export class Legend {
	#element;
	#looks;
	#parts;
	#shown = ""; // what the looks are of
	#notBefore = 0; // in ms of performance.now()

	/**
	 * @param {HTMLDetailsElement} element its lists are the states with their counts, and the looks
	 * @param {object} parts
	 * @param {import("../fleet.js").Fleet} parts.fleet
	 * @param {import("../map/markers.js").Markers} parts.markers
	 */
	constructor(element, parts) {
		this.#element = element;
		this.#parts = parts;
		this.#looks = /** @type {HTMLElement} */ (element.querySelector(".looks"));
		if (document.body.dataset.kiosk === "true") {
			element.open = true;
		}
		element.addEventListener("toggle", () => this.update(true));
	}

	/** Shows what the map shows now. @param {boolean} [now] even if it was updated a moment ago */
	update(now = false) {
		const { fleet, markers } = this.#parts;
		if (!now && performance.now() < this.#notBefore) {
			return;
		}
		this.#notBefore = performance.now() + INTERVAL;
		markers.colouring.learn(fleet.vehicles.values());
		const { colouring, sprites } = markers;
		const coloured = colouring.property !== null;
		this.#element.dataset.coloured = String(coloured);
		if (!this.#element.open) {
			return;
		}
		const signs = this.#signs();
		const shown = JSON.stringify([signs, colouring.property, sprites.colours.rim, sprites.ratio]);
		if (shown !== this.#shown) {
			this.#shown = shown;
			this.#looks.replaceChildren(...signs.map(({ look, text }) => this.#item(look, text)));
		}
	}

	/** @returns {{look: Look | null, text: string}[]} null: a heading */
	#signs() {
		const { fleet, markers } = this.#parts;
		/** @type {Set<Kind>} */
		const kinds = new Set();
		let guesses = false;
		for (const { kind, topicKind, speedDerived } of fleet.vehicles.values()) {
			kinds.add(kind ?? topicKind ?? "other");
			guesses ||= speedDerived;
		}
		const { colouring } = markers;
		const byKind = colouring.property === "kind";
		/** @type {{look: Look | null, text: string}[]} */
		const signs = [];
		if (colouring.property !== null && !byKind) {
			signs.push({ look: null, text: TEXTS.legend.colourBy(columnName(colouring.property)) });
			for (const { text, colour } of colouring.legend) {
				signs.push({ look: { ...PLAIN, colour }, text: text ?? TEXTS.legend.other });
			}
		}
		if (kinds.size > 1 || !kinds.has("other")) {
			const ofKinds = byKind ? colouring.legend : [];
			const colours = new Map(ofKinds.map(({ value, colour }) => [value ?? "other", colour]));
			for (const kind of KINDS.filter((kind) => kinds.has(kind))) {
				const look = { ...PLAIN, kind, colour: colours.get(kind) ?? null };
				signs.push({ look, text: TEXTS.kinds[kind] });
			}
		}
		signs.push({ look: { ...PLAIN, course: 60 }, text: TEXTS.legend.heading });
		if (guesses) {
			signs.push({ look: { ...PLAIN, course: 60, guess: true }, text: TEXTS.legend.guess });
		}
		return signs;
	}

	/** @param {Look | null} look @param {string} text */
	#item(look, text) {
		const item = document.createElement("li");
		if (look === null) {
			item.className = "heading";
		} else {
			const sprite = this.#parts.markers.sprites.marker(look);
			const { width, height } = sprite;
			const icon = Object.assign(document.createElement("canvas"), { width, height });
			icon.style.width = icon.style.height = `${SIZE * 0.75}px`;
			icon.setAttribute("aria-hidden", "true");
			icon.getContext("2d")?.drawImage(sprite, 0, 0);
			item.append(icon);
		}
		item.append(text);
		return item;
	}
}
