/**
 * summary.js keeps what is written beside the map up to date: the list, the counts
 * and the details. A fleet changes thousands of times a second; this follows it
 * a few times, and the more rarely the longer it takes.
 */
import { element, write } from "../element.js";
import { count } from "../format.js";
import { summaryText } from "./list.js";

const EVERY = 250; // ms
/** The part of the time that this may take: one in so many. */
const SHARE = 10;

export class Summary {
	#parts;
	#counts = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-count]")]);
	#summary = element("summary", HTMLElement);
	#nobody = element("nobody", HTMLElement);
	#next = 0; // when it may be, in ms of performance.now()
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

	/**
	 * @param {object} parts
	 * @param {import("../fleet.js").Fleet} parts.fleet
	 * @param {import("../livemap.js").Feed} parts.feed
	 * @param {import("./list.js").List} parts.list
	 * @param {import("./details.js").Details} parts.details
	 * @param {() => import("../address.js").Look} parts.look
	 * @param {() => boolean} parts.near whether only what is around the view is known
	 */
	constructor(parts) {
		this.#parts = parts;
	}

	/** The fleet is another. */
	changed() {
		this.#timer ??= setTimeout(() => this.refresh(), Math.max(0, this.#next - performance.now()));
	}

	refresh() {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		const began = performance.now();
		const { fleet, list, look, near } = this.#parts;
		const shown = list.update(look());
		/** @type {Record<string, number>} */
		const numbers = fleet.counts();
		for (const place of this.#counts) {
			write(place, count(numbers[/** @type {string} */ (place.dataset.count)]));
		}
		write(this.#summary, summaryText(shown, fleet.vehicles.size, near()));
		this.#tellNobody(shown);
		this.#detail();
		const ended = performance.now();
		this.#next = ended + Math.max(EVERY, SHARE * (ended - began));
	}

	/** Says why the list is empty. @param {number} shown */
	#tellNobody(shown) {
		const { feed, fleet, look, near } = this.#parts;
		const { q, filter } = look();
		this.#nobody.hidden = shown > 0 || feed.status.phase !== "live";
		write(this.#nobody,
			q !== "" ? `Nobody here matches. Enter looks for the vehicle “${q}” everywhere.`
			: fleet.vehicles.size > 0 ? `No vehicle is ${filter}.`
			: near() ? "No vehicle is around here." : "No vehicle has reported yet.");
	}

	#detail() {
		const { feed, fleet, details, look } = this.#parts;
		const id = look().vehicle;
		if (id === null) {
			return;
		}
		const vehicle = fleet.vehicles.get(id);
		if (vehicle) {
			details.update(vehicle, fleet.clock());
		} else if (feed.status.phase === "live" && details.isBlank) {
			details.missing("The hub knows no such vehicle.");
		}
	}
}
